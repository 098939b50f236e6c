#![no_main]

use galmorph_cutout::fuzzing::card;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| card(bytes));
