//! Decodes images and prints a line for each, for `scripts/jpeg_damage.py`:
//!
//!     decoded IMAGE...
//!
//! The line has the path and, after tabs, the CRC-32 of the pixels (RGB, or grey where the file is), or `refused`
//! and why.

use std::error::Error;
use std::fs;

use galmorph_cutout::{Limits, decode};

fn main() -> Result<(), Box<dyn Error>> {
    let limits = Limits {
        min_side: 1,
        ..Limits::default()
    };
    for path in std::env::args().skip(1) {
        match decode(&fs::read(&path)?, &limits) {
            Err(fault) => println!("{path}\trefused\t{fault}"),
            Ok(image) => {
                let pixels = image.to_rgb8();
                let samples = pixels.as_raw().iter().step_by(3 / image.planes()).copied();
                let samples: Vec<u8> = samples.collect();
                println!("{path}\t{:08x}\t", crc32fast::hash(&samples));
            }
        }
    }
    Ok(())
}
