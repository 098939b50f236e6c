//! An archive in shards, and what can happen to the machines that run them: whatever it is, each shard has one part with
//! the same bytes, and every file of the plan is in it once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::similar_names,
    reason = "tests, and what they are made of"
)]

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod counts;
mod faults;

use common::{Program, program, samples};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An archive of some cutouts, and a plan for it.
struct Archive {
    folder: TempDir,
    files: usize,
}

impl Archive {
    /// `copies` of each sample, and two files that are no images.
    fn new(copies: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let mut files = 0;
        for sample in samples() {
            let bytes = fs::read(&sample).unwrap();
            let name = sample.file_stem().unwrap().to_str().unwrap();
            for copy in 0..copies {
                let night = data.join(format!("night-{copy}"));
                fs::create_dir_all(&night).unwrap();
                fs::write(night.join(format!("{name}.jpg")), &bytes).unwrap();
                files += 1;
            }
        }
        fs::write(data.join("broken.jpg"), b"no image").unwrap();
        fs::write(data.join("with a\nline break.jpg"), [0xFF, 0xD8]).unwrap();
        // These two are not taken.
        fs::write(data.join("notes.txt"), "").unwrap();
        fs::write(data.join(".hidden.jpg"), "").unwrap();
        Self {
            folder,
            files: files + 2,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self, shards: usize, chunk: usize) -> PathBuf {
        let plan = self.path("plan");
        program("plan")
            .arg(self.path("data"))
            .args([
                "--shards",
                &shards.to_string(),
                "--chunk",
                &chunk.to_string(),
            ])
            .arg("--out")
            .arg(&plan)
            .succeeds();
        plan
    }

    /// Runs a shard by its own, on one core, and returns the bytes that its part must have.
    fn expected(&self, plan: &Path, shard: usize) -> Vec<u8> {
        let parts = self.path("expected");
        fs::create_dir_all(&parts).unwrap();
        run(plan, shard, &parts).args(["--workers", "1"]).succeeds();
        fs::read(part(&parts, shard)).unwrap()
    }

    fn parts(&self, name: &str) -> PathBuf {
        let parts = self.path(name);
        fs::create_dir(&parts).unwrap();
        parts
    }
}

fn run(plan: &Path, shard: usize, parts: &Path) -> Program {
    let mut run = program("run");
    run.arg(plan)
        .arg(shard.to_string())
        .arg("--parts")
        .arg(parts);
    run.args(["--patience", "0"]);
    run
}

fn part(parts: &Path, shard: usize) -> PathBuf {
    parts.join(format!("part-{shard:05}.sqlite"))
}

fn chunks(parts: &Path, shard: usize) -> usize {
    let entries = fs::read_dir(parts.join(format!("chunks-{shard:05}")));
    entries.map_or(0, |entries| {
        let names = entries.flatten().map(|entry| entry.file_name());
        let is_chunk = |name: &std::ffi::OsString| !name.as_encoded_bytes().starts_with(b".");
        names.filter(is_chunk).count()
    })
}

/// Nothing is left in the folder but the part.
fn assert_only_part(parts: &Path, shard: usize) {
    let names: Vec<PathBuf> = fs::read_dir(parts)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(names, [part(parts, shard)]);
}
