#![no_main]

use galmorph_cutout::fuzzing::jpeg;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| jpeg(bytes));
