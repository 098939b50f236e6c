#![no_main]

use galmorph::fuzzing::model;
use libfuzzer_sys::fuzz_target;

// A panic of the network's library that the loader catches is an error like any other. libFuzzer's own
// hook would end the process before it is caught.
fuzz_target!(
    init: { std::panic::set_hook(Box::new(|_| {})); },
    |bytes: &[u8]| model(bytes)
);
