//! Records made-up answers as fast as the disk takes them, in transactions of 256 as the daemon does.
//!
//! usage: cargo run --release -p galmorph-catalog --example record -- CATALOG ROWS [positions]
//!
//! With `positions`, each row has one, spread evenly over the sky.
//!
//! Prints the rows recorded in a second. Two versions of the schema are compared by this program built from
//! either version and run in turns.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use galmorph_catalog::{Entry, ModelInUse, Stamp, Verdict, Writer};
use galmorph_cutout::{Identity, Position, PositionSource, Probabilities};
use jiff::Timestamp;

const BATCH: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("no catalog was named")?);
    let rows: usize = arguments
        .next()
        .and_then(|rows| rows.to_str()?.parse().ok())
        .ok_or("no number of rows was named")?;
    let positions = match arguments.next() {
        None => false,
        Some(word) if word == "positions" => true,
        Some(_) => return Err("after the number of rows, only 'positions' can follow".into()),
    };

    let model = ModelInUse {
        name: "made-up".into(),
        digest: blake3::hash(b"made-up"),
        card: "{}".into(),
        arithmetic: "f32".into(),
    };
    let mut writer = Writer::open(&path, &model)?;
    let begin = Instant::now();
    let numbers: Vec<usize> = (0..rows).collect();
    for batch in numbers.chunks(BATCH) {
        let entries: Vec<Entry> = batch
            .iter()
            .map(|&number| entry(number, positions))
            .collect();
        writer.record(&entries)?;
    }
    println!("{:.0} rows/s", rows as f64 / begin.elapsed().as_secs_f64());
    Ok(())
}

/// A file of a night with an answer of its own.
fn entry(number: usize, has_position: bool) -> Entry {
    let now = Timestamp::now();
    let share = (number % 1000) as f32 / 2000.0;
    let answer = Probabilities::from_values([0.5 - share, share, 0.2, 0.2, 0.1]);
    let mut identity = Identity::named(format!("{number:09}"));
    if has_position {
        identity.position = Some((position(number), PositionSource::Manifest));
    }
    Entry {
        path: format!("/data/night-{}/galaxy-{number:09}.jpg", number / 50_000).into(),
        parts: Vec::new(),
        stamp: Stamp {
            bytes: 16_000,
            modified: now,
        },
        digest: Some(blake3::hash(&number.to_le_bytes())),
        dimensions: Some((424, 424)),
        rendering: Some("auto".into()),
        shown: None,
        stretch: None,
        novelty: None,
        prediction_set: None,
        camera: None,
        identity,
        attempts: 1,
        first_seen: now,
        verdict: Verdict::Classified(answer),
    }
}

/// A point of the sky. Multiples of the golden ratio, and of the square root of 2, fill a range evenly without an order
/// that an index could make use of.
fn position(number: usize) -> Position {
    let part = |step: f64| (number as f64 * step).fract();
    let ra = 360.0 * part(0.618_033_988_749_895);
    let dec = (2.0 * part(std::f64::consts::SQRT_2) - 1.0)
        .asin()
        .to_degrees();
    Position::new(ra, dec).expect("both are within the sphere")
}
