#![no_main]

use galmorph::fuzzing::model;
use libfuzzer_sys::fuzz_target;

// When tract panics, the loader catches the panic and returns an ordinary error. libFuzzer's own hook would end
// the process first.
fuzz_target!(
    init: { std::panic::set_hook(Box::new(|_| {})); },
    |bytes: &[u8]| model(bytes)
);
