//! Writes mock cutouts as JPEG files, or as packed FITS files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use flate2::Compression;
use flate2::write::GzEncoder;
use galmorph_mock::{Mock, Morphology, jpeg};

/// Write mock galaxy cutouts, named CLASS-NUMBER.jpg or CLASS-NUMBER.fits.gz
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder to write to; made if it isn't there
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// How many galaxies of each class
    #[arg(long, default_value_t = 6)]
    count: u32,
    /// The seed; the same seed gives the same galaxies
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The side of the images, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = Mock::SIDE)]
    #[arg(value_parser = clap::value_parser!(u32).range(16..=8192))]
    side: u32,
    /// The quality of the JPEGs, 1 to 100; the default gives files about as large as the survey's
    #[arg(long, default_value_t = 65)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
    /// Write FITS cubes of the bands g, r and i instead, of the middle PIXELS x PIXELS of each image
    #[arg(long, value_name = "PIXELS", conflicts_with = "quality")]
    #[arg(value_parser = clap::value_parser!(u32).range(16..=8192))]
    fits: Option<u32>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = &arguments.output;
    fs::create_dir_all(folder).with_context(|| format!("cannot make '{}'", shown(folder)))?;

    let mock = Mock::new(arguments.seed).with_side(arguments.side);
    let mut bytes = 0;
    for class in Morphology::ALL {
        for number in 1..=arguments.count {
            let (file, ending) = match arguments.fits {
                Some(cut) => (packed(&mock.fits(class, number, cut))?, "fits.gz"),
                None => (jpeg(&mock.galaxy(class, number), arguments.quality), "jpg"),
            };
            let path = folder.join(format!("{class}-{number}.{ending}"));
            fs::write(&path, &file).with_context(|| format!("cannot write '{}'", shown(&path)))?;
            bytes += file.len();
        }
    }
    println!(
        "{} cutouts in {}, {} kB",
        arguments.count as usize * Morphology::COUNT,
        shown(folder),
        bytes / 1000
    );
    Ok(())
}

/// A path for people, with control characters written out.
fn shown(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

/// A file packed with gzip, without a time, so that it is always the same.
fn packed(file: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(file)?;
    encoder.finish()
}
