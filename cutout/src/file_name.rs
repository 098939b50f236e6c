//! What the name of an image file says.

use std::ffi::OsStr;
use std::path::Path;

/// The endings of FITS files.
pub const FITS_EXTENSIONS: [&str; 3] = ["fits", "fit", "fts"];

/// What is put behind the ending of a FITS file that is packed: by gzip, or by fpack in tiles.
const PACKED: [&str; 2] = ["gz", "fz"];

/// The name of a file without its ending, and its ending: of `a/m51.jpg`, `m51` and `jpg`. The two endings of a packed
/// FITS file are one: of `m51.fits.fz`, `m51` and `fits`. Either may be missing.
pub fn name_and_extension(path: &Path) -> (Option<&OsStr>, Option<&OsStr>) {
    let is_one_of = |extension: Option<&OsStr>, known: &[&str]| {
        let extension = extension.unwrap_or_default();
        known
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    };
    let (name, extension) = (path.file_stem(), path.extension());
    if is_one_of(extension, &PACKED)
        && let Some(inner) = name.map(Path::new)
        && is_one_of(inner.extension(), &FITS_EXTENSIONS)
    {
        return (inner.file_stem(), inner.extension());
    }
    (name, extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_fits_file_has_one_ending() {
        let parts = |path: &'static str| {
            let (name, extension) = name_and_extension(Path::new(path));
            (
                name.and_then(OsStr::to_str).unwrap_or_default(),
                extension.and_then(OsStr::to_str).unwrap_or_default(),
            )
        };
        for (path, expected) in [
            ("a/m51.jpg", ("m51", "jpg")),
            ("m51.fits.fz", ("m51", "fits")),
            ("M51.FIT.GZ", ("M51", "FIT")),
            ("ngc.1300.fts", ("ngc.1300", "fts")),
            ("m51.tar.gz", ("m51.tar", "gz")),
            ("m51.jpg.gz", ("m51.jpg", "gz")),
            ("m51.fz", ("m51", "fz")),
            ("fits.gz", ("fits", "gz")),
            ("m51", ("m51", "")),
        ] {
            assert_eq!(parts(path), expected, "{path}");
        }
    }
}
