//! A machine with a catalog, which the daemon's own writer writes.

use std::path::PathBuf;

use galmorph_catalog::{Entry, ModelInUse, Stamp, Verdict, Writer};
use galmorph_cutout::{Identity, Position, PositionSource, Probabilities, RejectReason};
use jiff::Timestamp;
use tempfile::TempDir;

/// A machine with a catalog.
pub struct Machine {
    pub folder: TempDir,
    pub writer: Writer,
}

pub fn model(name: &str) -> ModelInUse {
    ModelInUse {
        name: name.to_owned(),
        digest: blake3::hash(name.as_bytes()),
        card: format!("{{\"name\":\"{name}\"}}"),
        arithmetic: "f32".to_owned(),
    }
}

pub fn probabilities(seed: u32) -> Probabilities {
    let mut values = [0.0_f32; 5];
    let label = (seed % 5) as usize;
    let confidence = 0.5 + (seed % 50) as f32 / 101.0;
    for (class, value) in values.iter_mut().enumerate() {
        *value = if class == label {
            confidence
        } else {
            (1.0 - confidence) / 4.0
        };
    }
    Probabilities::from_values(values)
}

pub fn entry(number: u32) -> Entry {
    let position = Position::new(f64::from(number % 360), f64::from(number % 90));
    Entry {
        path: PathBuf::from(format!("/data/night/{number:07}.jpg")),
        stamp: Stamp {
            bytes: u64::from(number) + 1000,
            modified: Timestamp::from_millisecond(1_790_000_000_000 + i64::from(number)).unwrap(),
        },
        digest: Some(blake3::hash(&number.to_le_bytes())),
        dimensions: Some((424, 424)),
        rendering: Some("paper".to_owned()),
        shown: None,
        stretch: None,
        novelty: None,
        prediction_set: None,
        camera: (!number.is_multiple_of(3)).then_some((number % 101) as f32 / 100.0),
        identity: Identity {
            object_id: number.to_string(),
            position: position.map(|at| (at, PositionSource::Manifest)),
            radius: None,
        },
        parts: Vec::new(),
        attempts: 1,
        first_seen: Timestamp::now(),
        verdict: if number % 97 == 13 {
            Verdict::rejected(RejectReason::Broken, "the file ends \0 early")
        } else {
            Verdict::Classified(probabilities(number))
        },
    }
}

impl Machine {
    pub fn new(files: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let writer = Writer::open(&folder.path().join("galmorph.sqlite"), &model("one")).unwrap();
        let mut machine = Self { folder, writer };
        machine.add(0..files);
        machine
    }

    pub fn add(&mut self, numbers: std::ops::Range<u32>) {
        let entries: Vec<Entry> = numbers.map(entry).collect();
        self.writer.record(&entries).unwrap();
    }

    pub fn catalog(&self) -> PathBuf {
        self.folder.path().join("galmorph.sqlite")
    }

    /// Takes another model into use.
    pub fn reopen(self, name: &str) -> Self {
        let Self { folder, writer } = self;
        drop(writer);
        let writer = Writer::open(&folder.path().join("galmorph.sqlite"), &model(name)).unwrap();
        Self { folder, writer }
    }
}
