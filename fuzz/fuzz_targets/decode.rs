#![no_main]

use galmorph_cutout::fuzzing::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| decode(bytes));
