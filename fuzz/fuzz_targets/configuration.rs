#![no_main]

use galmorph::fuzzing::configuration;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| configuration(bytes));
