#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    galmorph_page::fuzzing::selection(bytes);
});
