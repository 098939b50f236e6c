#![no_main]

use galmorph_engine::fuzzing::convolution;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| convolution(bytes));
