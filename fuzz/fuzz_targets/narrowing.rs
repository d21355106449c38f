#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inferometer::fuzz::run("narrowing", bytes));
