//! The settings of a run in words, so that it can be repeated and doubted.

use super::fleet::Setup;
use super::scrape::Scraping;
use super::trace::{Day, Tokens};

/// What was set, and to how much.
pub fn parameters(day: &Day, setup: &Setup, scraping: &Scraping) -> Vec<(String, String)> {
    let engine = &setup.engine;
    let tokens = |tokens: &Tokens| {
        format!("log-normal, median {}, sigma {}, at most {} tokens", tokens.median, tokens.sigma, tokens.max)
    };
    let patience = match engine.patience {
        f64::INFINITY => "for ever".to_owned(),
        seconds => format!("{seconds} s for a first token"),
    };
    let ms = |seconds: f64| format!("{} ms", (seconds * 1e6).round() / 1e3);
    let named = [
        ("day", format!("{} h, seed {}", day.seconds / 3600.0, day.seed)),
        ("arrivals", format!("Poisson, {}/s at night, {}/s on the plateau", day.night, day.plateau)),
        (
            "bursts",
            format!(
                "{} of {} s, {} to {} times the arrivals",
                day.bursts, day.burst_seconds, day.burst_height.0, day.burst_height.1
            ),
        ),
        ("prompts", tokens(&day.prompt)),
        ("answers", tokens(&day.output)),
        ("clients", format!("want a first token within {} s, wait {patience}", engine.target)),
        (
            "batch",
            format!("{} sequences, {} tokens a step", engine.max_num_seqs, engine.max_num_batched_tokens),
        ),
        ("KV cache", format!("{} tokens", engine.kv_tokens)),
        (
            "a step takes",
            format!(
                "{}, {} more a sequence, {} more a prompt token",
                ms(engine.step_seconds),
                ms(engine.step_seconds_per_sequence),
                ms(engine.step_seconds_per_prompt_token)
            ),
        ),
        (
            "a replica loads",
            format!("{} to {} s, seed {}", setup.load_seconds.0, setup.load_seconds.1, setup.seed),
        ),
        ("grace period", format!("{} s", setup.grace_seconds)),
        ("price", format!("${} a GPU-hour", setup.dollars_per_hour)),
        ("metrics", format!("scraped every {} s, seen {} s later", scraping.interval, scraping.lag)),
    ];
    named.map(|(name, value)| (name.to_owned(), value)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_read_well() {
        let told = parameters(&Day::default(), &Setup::default(), &Scraping::default());
        let told: Vec<String> = told.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            told,
            [
                "day: 24 h, seed 1",
                "arrivals: Poisson, 1.5/s at night, 12/s on the plateau",
                "bursts: 6 of 600 s, 1.5 to 3 times the arrivals",
                "prompts: log-normal, median 785, sigma 0.985, at most 4096 tokens",
                "answers: log-normal, median 150, sigma 0.86, at most 1000 tokens",
                "clients: want a first token within 2 s, wait 60 s for a first token",
                "batch: 32 sequences, 2048 tokens a step",
                "KV cache: 150000 tokens",
                "a step takes: 12.9 ms, 0.41 ms more a sequence, 0.1 ms more a prompt token",
                "a replica loads: 75 to 120 s, seed 1",
                "grace period: 60 s",
                "price: $4 a GPU-hour",
                "metrics: scraped every 15 s, seen 15 s later",
            ]
        );
    }

    #[test]
    fn patience_may_have_no_end() {
        let mut setup = Setup::default();
        setup.engine.patience = f64::INFINITY;
        let told = parameters(&Day::default(), &setup, &Scraping::default());
        assert_eq!(told[5].1, "want a first token within 2 s, wait for ever");
    }
}
