//! Writes mock cutouts as JPEG files.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use galmorph_mock::{Mock, Morphology, jpeg};

/// Write mock galaxy cutouts, named CLASS-NUMBER.jpg
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
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = &arguments.output;
    fs::create_dir_all(folder).with_context(|| format!("cannot make '{}'", folder.display()))?;

    let mock = Mock::new(arguments.seed).with_side(arguments.side);
    let mut bytes = 0;
    for class in Morphology::ALL {
        for number in 1..=arguments.count {
            let file = jpeg(&mock.galaxy(class, number), arguments.quality);
            let path = folder.join(format!("{class}-{number}.jpg"));
            fs::write(&path, &file)
                .with_context(|| format!("cannot write '{}'", path.display()))?;
            bytes += file.len();
        }
    }
    println!(
        "{} cutouts in {}, {} kB",
        arguments.count as usize * Morphology::COUNT,
        folder.display(),
        bytes / 1000
    );
    Ok(())
}
