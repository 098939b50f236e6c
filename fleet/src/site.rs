//! Names of machines, of surveys, and of this process.

use std::fs;

use crate::Failure;

/// A name that a line of a log can have.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    if text.is_empty() || !text.chars().all(is_plain) {
        return Err("letters, digits and - _ . only".to_owned());
    }
    Ok(text.to_owned())
}

/// The name of this machine, as it knows itself.
pub(crate) fn machine() -> Result<String, Failure> {
    let text = fs::read_to_string("/proc/sys/kernel/hostname").map_err(|error| {
        Failure::Internal(format!("cannot read the name of this machine: {error}"))
    })?;
    Ok(text.trim().to_owned())
}

/// A name for this process that no other one has, on whatever machine: in containers, all machines have one name and all processes
/// one number.
pub(crate) fn process(machine: &str) -> String {
    let unique = blake3::hash(
        format!(
            "{} {:?}",
            jiff::Timestamp::now().as_nanosecond(),
            std::thread::current().id()
        )
        .as_bytes(),
    );
    format!("{machine}-{}-{}", std::process::id(), &unique.to_hex()[..8])
}
