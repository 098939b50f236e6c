//! galmorph.
fn main() {}
