//! How images are framed, and which flags they have:
//!
//!     frames [--framing FRAMING] [--flags] [--split LABELS.csv] [--views OUT] IMAGE... ARCHIVE.tar...
//!
//! Prints a line for each image: its name and, after tabs, the framing, the middle and the side of the frame, the flags,
//! the sky's level, the height of the middle above it, and the object's petroR90 and redness if it was measured. With
//! --flags, prints only how many images have each flag: on the images that the network was trained on, that is how often
//! it is a false alarm. --split takes only the images that a table of labels says are for training. --views writes the network's inputs, float32 `[images, 4, 3, 64, 64]`, in the order of the lines.
//!
//! An image of 264 x 264 pixels is taken for the middle of Galaxy Zoo's 424 x 424, unless a framing is given.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write};
use std::path::Path;

use galmorph_cutout::{
    FramingSettings, Limits, Look, Plan, Preprocessing, decode_centre, dimensions,
};

/// The side of the crops that networks are trained on.
const CROP: u32 = 264;

#[derive(Default)]
struct Frames {
    framing: Option<FramingSettings>,
    only_flags: bool,
    views: Option<BufWriter<File>>,
    training: Option<HashSet<String>>,
    images: usize,
    flags: BTreeMap<&'static str, usize>,
}

impl Frames {
    fn show(&mut self, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
        let stem = Path::new(name).file_stem().unwrap_or_default();
        if self
            .training
            .as_ref()
            .is_some_and(|training| !training.contains(&*stem.to_string_lossy()))
        {
            return Ok(());
        }
        let limits = Limits::default();
        let preprocessing = Preprocessing::default();
        let Ok(size) = dimensions(bytes, &limits) else {
            println!("{name}\trefused");
            return Ok(());
        };
        let plan = match self.framing {
            Some(framing) => framing.plan(size),
            None if size == (CROP, CROP) => Plan::Paper,
            None => FramingSettings::default().plan(size),
        };
        let part = plan.decoded_side(&preprocessing, size);
        let Ok(image) = decode_centre(bytes, &limits, part) else {
            println!("{name}\trefused");
            return Ok(());
        };
        let shown = plan.show(&image, &preprocessing);
        self.images += 1;
        for flag in shown.flags.iter() {
            *self.flags.entry(flag.as_str()).or_default() += 1;
        }
        if !self.only_flags {
            let look = Look::at(&image);
            let object = look.object;
            let frame = shown.frame;
            println!(
                "{name}\t{}\t{:.2}\t{:.2}\t{:.2}\t{}\t{:.1}\t{:.1}\t{:.3}\t{:.3}\t{:.2}\t{:.2}",
                frame.framing,
                frame.x,
                frame.y,
                frame.side,
                shown.flags,
                look.sky,
                look.height,
                object.map_or(f64::NAN, |object| object.radius),
                object.and_then(|object| object.redness).unwrap_or(f64::NAN),
                object.map_or(f64::NAN, |object| object.x),
                object.map_or(f64::NAN, |object| object.y),
            );
        }
        if let Some(output) = &mut self.views {
            for value in preprocessing.framed_views(&image, &shown.frame) {
                output.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut frames = Frames::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--framing" => {
                frames.framing = Some(FramingSettings {
                    framing: arguments.next().ok_or("which framing?")?.parse()?,
                    ..FramingSettings::default()
                });
            }
            "--flags" => frames.only_flags = true,
            "--split" => {
                let table = fs::read_to_string(arguments.next().ok_or("which table?")?)?;
                let training = table.lines().filter_map(|line| {
                    let (galaxy, rest) = line.split_once(',')?;
                    rest.ends_with(",train").then(|| galaxy.to_owned())
                });
                frames.training = Some(training.collect());
            }
            "--views" => {
                let file = File::create(arguments.next().ok_or("which file?")?)?;
                frames.views = Some(BufWriter::new(file));
            }
            archive if Path::new(archive).extension() == Some("tar".as_ref()) => {
                let mut archive = tar::Archive::new(File::open(archive)?);
                for entry in archive.entries()? {
                    let mut entry = entry?;
                    let name = entry.path()?.to_string_lossy().into_owned();
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes)?;
                    if !bytes.is_empty() {
                        frames.show(&name, &bytes)?;
                    }
                }
            }
            file => frames.show(file, &fs::read(file)?)?,
        }
    }
    if let Some(mut output) = frames.views {
        output.flush()?;
    }
    if frames.only_flags {
        println!("{} images", frames.images);
        for (flag, count) in &frames.flags {
            println!(
                "{flag:<16}{count:>7}{:>8.2} %",
                100.0 * *count as f64 / frames.images as f64
            );
        }
    }
    Ok(())
}
