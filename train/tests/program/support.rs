//! A folder with labelled mock galaxies, and the programs to run on it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use galmorph_cutout::Morphology;
use galmorph_mock::{Mock, jpeg};
use tempfile::TempDir;

/// The training program as built for this test.
pub(crate) const TRAIN: &str = env!("CARGO_BIN_EXE_galmorph-train");

/// A folder of labelled images that goes away with the test.
pub(crate) struct Dir {
    folder: TempDir,
}

impl Dir {
    /// Eight training and two validation galaxies of each class.
    pub(crate) fn with_galaxies() -> Self {
        Self::with_validation_galaxies(2)
    }

    /// Eight training galaxies of each class, and so many validation galaxies.
    pub(crate) fn with_validation_galaxies(count: u32) -> Self {
        let dir = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(dir.images()).unwrap();
        let mut labels = String::from("GalaxyID,label,split\n");
        let mock = Mock::new(11).with_side(240);
        for class in Morphology::ALL {
            for number in 0..8 + count {
                let id = 100 * (class.id() as u32 + 1) + number;
                let split = if number < 8 { "train" } else { "validation" };
                writeln!(labels, "{id},{},{split}", class.id()).unwrap();
                let file = jpeg(&mock.galaxy(class, number), 90);
                std::fs::write(dir.images().join(format!("{id}.jpg")), file).unwrap();
            }
        }
        std::fs::write(dir.labels(), labels).unwrap();
        dir
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.path("images")
    }

    pub(crate) fn labels(&self) -> PathBuf {
        self.path("labels.csv")
    }

    /// A short run of a tiny network: five steps an epoch.
    pub(crate) fn train(&self, output: &str, epochs: u32) -> Command {
        let mut command = program(Path::new(TRAIN));
        command
            .arg("train")
            .args(["--network", "zhu2019 k=0.0625 N=1 drop=0.3"])
            .args(["--batch", "8", "--threads", "1", "--device", "cpu"])
            .args(["--epochs", &epochs.to_string()])
            .arg("--labels")
            .arg(self.labels())
            .arg("--images")
            .arg(self.images())
            .arg("--output")
            .arg(self.path(output));
        command
    }

    /// Evaluates a run on the validation galaxies.
    pub(crate) fn evaluate(&self, run: &str) -> Command {
        let mut command = program(Path::new(TRAIN));
        command
            .args(["evaluate", "--threads", "1", "--device", "cpu"])
            .arg("--model")
            .arg(self.checkpoint(run))
            .arg("--labels")
            .arg(self.labels())
            .arg("--images")
            .arg(self.images());
        command
    }

    /// The checkpoint of a run.
    pub(crate) fn checkpoint(&self, output: &str) -> PathBuf {
        self.path(output).join("checkpoint.safetensors")
    }
}

/// A program that leaves the other cores to the other tests.
pub(crate) fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command
        .env("OMP_NUM_THREADS", "1")
        .env("OMP_WAIT_POLICY", "passive")
        .env_remove("GALMORPH_LOG");
    command
}

/// Runs to the end. If the exit code is another than expected, it shows the output.
pub(crate) fn run(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
