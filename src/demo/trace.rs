//! Arrivals of a simulated day: the same for every policy that is tried on it.

use super::random::Random;

/// Token counts that are log-normally distributed, cut off at `max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tokens {
    /// Half of the requests have fewer, before the cut.
    pub median: f64,
    /// Deviation of the natural logarithm.
    pub sigma: f64,
    /// No request has more.
    pub max: u32,
}

impl Tokens {
    fn draw(&self, random: &mut Random) -> u32 {
        let tokens = self.median * (self.sigma * random.normal()).exp();
        (tokens.round() as u32).clamp(1, self.max)
    }
}

/// A day of traffic: a night, a ramp, a plateau with bursts, an evening decline.
///
/// Token counts follow Azure's public trace of conversations (AzureLLMInferenceTrace_conv, 19,366
/// requests of one hour of November 2023): prompts of 1,155 tokens in the mean with a deviation of
/// the logarithm of 0.99, 99 % below 4,142; answers of 211 tokens with 0.86, none above 1,000. The
/// medians here are those that give these means after the cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    /// Seconds from midnight to midnight. A shorter day has steeper ramps; bursts keep their length.
    pub seconds: f64,
    /// Requests per second at night.
    pub night: f64,
    /// Requests per second in the working hours.
    pub plateau: f64,
    /// How many bursts are spread over the plateau.
    pub bursts: u32,
    /// Within a burst, arrivals are this many times what they would be: least and most, drawn for each.
    pub burst_height: (f64, f64),
    /// Seconds that a burst lasts. It rises within one scrape interval and ends as suddenly.
    pub burst_seconds: f64,
    /// Tokens of a prompt.
    pub prompt: Tokens,
    /// Tokens of an answer; one that meets the cut ends for its length.
    pub output: Tokens,
    /// Which day of all that look like this.
    pub seed: u64,
}

impl Default for Day {
    fn default() -> Self {
        Self {
            seconds: 86_400.0,
            night: 1.5,
            plateau: 12.0,
            bursts: 6,
            burst_height: (1.5, 3.0),
            burst_seconds: 600.0,
            prompt: Tokens { median: 785.0, sigma: 0.985, max: 4_096 },
            output: Tokens { median: 150.0, sigma: 0.86, max: 1_000 },
            seed: 1,
        }
    }
}

/// One request, as its client knows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// Seconds since midnight.
    pub at: f64,
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Tokens of the answer, at least 1.
    pub output: u32,
    /// The answer meets the cut.
    pub cut: bool,
}

/// All arrivals of a day, in order of time.
#[derive(Debug, Clone)]
pub struct Trace {
    /// What it was drawn from.
    pub day: Day,
    /// The requests, in order of time.
    pub arrivals: Vec<Arrival>,
    bursts: Vec<Burst>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Burst {
    /// Seconds since midnight.
    start: f64,
    /// How many times the arrivals that there would be.
    height: f64,
}

/// The ramp up and the way down, as shares of the day: from 6 to 9 and from 17 to 23 o'clock.
const RAMP: (f64, f64) = (6.0 / 24.0, 9.0 / 24.0);
const DECLINE: (f64, f64) = (17.0 / 24.0, 23.0 / 24.0);
/// A burst takes this many seconds to reach its height.
const BURST_EDGE: f64 = 15.0;

impl Day {
    /// Draws the day's arrivals: a Poisson process whose rate follows the day, by thinning.
    pub fn trace(&self) -> Trace {
        let mut random = Random::new(self.seed);
        let slot = self.slot();
        let (low, high) = self.burst_height;
        let bursts: Vec<Burst> = (0..self.bursts)
            .map(|n| {
                let room = (slot - self.burst_length()) * random.uniform();
                let start = RAMP.1.mul_add(self.seconds, f64::from(n).mul_add(slot, room));
                Burst { start, height: low + (high - low) * random.uniform() }
            })
            .collect();
        let highest = self.night.max(self.plateau) * high.max(1.0);
        let mut arrivals = Vec::with_capacity((self.mean_rate() * self.seconds * 1.2) as usize);
        let mut at = 0.0;
        loop {
            at += random.exponential() / highest;
            if at >= self.seconds {
                return Trace { day: self.clone(), arrivals, bursts };
            }
            if random.uniform() * highest < self.rate(at, &bursts) {
                let prompt = self.prompt.draw(&mut random);
                let output = self.output.draw(&mut random);
                arrivals.push(Arrival { at, prompt, output, cut: output == self.output.max });
            }
        }
    }

    /// A day of the same requests at one rate throughout: what a replica is profiled with.
    #[must_use]
    pub fn steady(&self, rate: f64, seconds: f64) -> Self {
        Self { seconds, night: rate, plateau: rate, bursts: 0, burst_height: (1.0, 1.0), ..self.clone() }
    }

    /// The plateau is cut into as many slots as there are bursts.
    fn slot(&self) -> f64 {
        (DECLINE.0 - RAMP.1) * self.seconds / f64::from(self.bursts.max(1))
    }

    /// Bursts of a short day never run into each other.
    fn burst_length(&self) -> f64 {
        self.burst_seconds.min(self.slot() / 2.0)
    }

    /// Requests per second without bursts, over the whole day.
    fn mean_rate(&self) -> f64 {
        let high = DECLINE.0 - RAMP.1 + (RAMP.1 - RAMP.0 + DECLINE.1 - DECLINE.0) / 2.0;
        self.plateau * high + self.night * (1.0 - high)
    }

    fn rate(&self, at: f64, bursts: &[Burst]) -> f64 {
        let share = at / self.seconds;
        let up = smooth((share - RAMP.0) / (RAMP.1 - RAMP.0));
        let down = smooth((share - DECLINE.0) / (DECLINE.1 - DECLINE.0));
        let calm = self.night + (self.plateau - self.night) * (up - down);
        let length = self.burst_length();
        let times = bursts.iter().map(|burst| {
            let inside = (at - burst.start).min(burst.start + length - at);
            1.0 + (burst.height - 1.0) * (inside / BURST_EDGE).clamp(0.0, 1.0)
        });
        calm * times.fold(1.0, f64::max)
    }
}

impl Trace {
    /// Requests per second that the day expects at `at` seconds.
    pub fn rate(&self, at: f64) -> f64 {
        self.day.rate(at, &self.bursts)
    }

    /// Requests per second over the day.
    pub fn mean_rate(&self) -> f64 {
        self.arrivals.len() as f64 / self.day.seconds
    }

    /// Requests per second expected at the height of the busiest burst.
    pub fn peak_rate(&self) -> f64 {
        self.bursts.iter().map(|burst| self.rate(burst.start + BURST_EDGE)).fold(self.day.plateau, f64::max)
    }
}

/// From 0 to 1 without a kink.
fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

#[cfg(test)]
mod tests;
