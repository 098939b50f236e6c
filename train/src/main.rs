//! galmorph-train.
fn main() {}
