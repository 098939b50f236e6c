//! A site whose stream is a topic of Kafka, with its servers and a folder of images.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::broker::Broker;
use crate::common::postgres::Server;
use crate::common::{Program, copy_samples, program, wait_for};

/// See the module.
pub struct Site {
    pub server: Server,
    pub broker: Broker,
    pub folder: TempDir,
}

impl Site {
    /// With a broker; `None`, and a line, where PostgreSQL is not installed.
    pub fn with(broker: Broker) -> Option<Self> {
        let server = Server::start()?.with_schema();
        let roles = "CREATE ROLE north LOGIN IN ROLE galmorph_writer";
        server.client().batch_execute(roles).unwrap();
        Some(Self {
            server,
            broker,
            folder: TempDir::new().unwrap(),
        })
    }

    /// The folder of images.
    pub fn root(&self) -> PathBuf {
        let root = self.folder.path().join("images");
        fs::create_dir_all(&root).unwrap();
        root
    }

    /// The path of one of them.
    pub fn image(&self, number: usize) -> PathBuf {
        self.root().join(format!("{number:04}.jpg"))
    }

    /// Puts images there: samples, again and again. Returns their number.
    pub fn images(&self, count: usize) -> i64 {
        copy_samples(count, |number| self.image(number))
    }

    pub fn command(&self, name: &str) -> Program {
        let mut program = program(name);
        program.args(["--site", "survey", "--to", &self.server.address("north")]);
        program.args(["--stream", &self.broker.address()]);
        program
    }

    pub fn feed(&self) -> Program {
        let mut feed = self.command("feed");
        feed.arg(self.root());
        feed
    }

    /// `work` with two threads, that may be silent for seconds.
    pub fn work(&self) -> Program {
        self.work_silent_for(self.broker.shortest_claim())
    }

    /// The same, where it may be silent for so many seconds.
    pub fn work_silent_for(&self, claim: &str) -> Program {
        let mut work = self.command("work");
        work.args(["--claim", claim, "--workers", "2"])
            .arg(self.root());
        work
    }

    /// `work` that ends when the stream is empty.
    pub fn drain(&self) -> Program {
        let mut work = self.work();
        work.arg("--drain");
        work
    }

    /// What `status` says.
    pub fn report(&self) -> Value {
        let said = self.command("status").args(["--format", "json"]).run();
        let text = String::from_utf8(said.stdout).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until at least so many rows are there.
    pub fn wait_for_rows(&self, what: &str, least: i64) {
        let mut client = self.server.client();
        let count = format!("SELECT count(*) FROM {what}");
        wait_for(|| client.query_one(&count, &[]).unwrap().get::<_, i64>(0) >= least);
    }

    /// One number.
    pub fn number(&self, query: &str) -> i64 {
        self.server.client().query_one(query, &[]).unwrap().get(0)
    }

    /// What a row says.
    pub fn row(&self, path: &Path) -> (Option<String>, Option<String>, i64) {
        let find = "SELECT label, reason, attempts FROM cutout WHERE path = $1";
        let path = path.to_str().unwrap();
        let row = self.server.client().query_one(find, &[&path]).unwrap();
        (row.get(0), row.get(1), row.get(2))
    }

    /// Nothing is lost and nothing doubled: each of the files has one row, and was written once, whoever wrote it; nothing is on the
    /// stream; and `status` says the same.
    pub fn assert_all_done(&self, files: i64) {
        assert_eq!(self.server.count("cutout"), files);
        let paths = "SELECT count(DISTINCT path) FROM cutout";
        assert_eq!(self.number(paths), files);
        let written = "SELECT sum(answered + rejected)::bigint FROM worker";
        assert_eq!(self.number(written), files);
        let report = self.report();
        for name in ["waiting", "held", "unaccounted"] {
            assert_eq!(report[name], 0, "{name} in {report}");
        }
        let [answered, rejected] =
            ["answered", "rejected"].map(|name| report[name].as_i64().unwrap());
        assert_eq!(report["fed"], answered + rejected);
    }
}
