//! Output files appear whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file beside its place and renames it there, after its bytes are on the disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let io = |result: std::io::Result<()>| result.map_err(Error::io("write", path));
    io(File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    }))?;
    io(std::fs::rename(&partial, path))
}
