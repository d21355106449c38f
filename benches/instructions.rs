//! Does one case so often as it is told, for `tests/instructions` to count the instructions of.
//!
//! Without arguments it names the cases, and how often each is worth doing.

use std::process::ExitCode;

mod cases;

fn main() -> ExitCode {
    // `--bench` comes from cargo.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [name, count] = &arguments[..] else {
        cases::all().for_each(|case| println!("{} {}", case.name, case.times));
        return ExitCode::SUCCESS;
    };
    let case = cases::all().find(|case| case.name == name);
    let (Some(case), Ok(count)) = (case, count.parse::<u32>()) else {
        eprintln!("usage: instructions [CASE COUNT]");
        return ExitCode::FAILURE;
    };
    let mut run = (case.make)();
    (0..count).for_each(|_| run());
    ExitCode::SUCCESS
}
