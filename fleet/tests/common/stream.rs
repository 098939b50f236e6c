//! A stream with its two servers and a folder of images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use redis::cmd;
use tempfile::TempDir;

use super::network::{Branch, Peer};
use super::postgres::Server;
use super::redis::Redis;
use super::{Program, copy_samples, end, program, terminate, wait_for};

/// The site of the tests.
const SITE: &str = "survey";

/// How long a worker of a test may be silent, in seconds.
pub const CLAIM: &str = "2";

/// A stream, its servers, and the folder of which it is fed.
pub struct Site {
    pub server: Server,
    pub redis: Redis,
    pub folder: TempDir,
}

impl Site {
    /// Starts the servers; `None`, and a line, where one is not installed.
    pub fn start() -> Option<Self> {
        Some(Self::of(Redis::start()?, Server::start()?))
    }

    /// The same, with servers that a machine reaches.
    pub fn start_open_to(branch: &Branch) -> Option<Self> {
        let redis = Redis::start_at(&branch.server(Peer::Redis))?;
        let server = Server::start_at(&branch.server(Peer::Postgres))?;
        Some(Self::of(redis, server))
    }

    /// The same, with a schema that somebody else makes.
    pub fn start_with(schema: impl FnOnce(&Server)) -> Option<Self> {
        let (redis, server) = (Redis::start()?, Server::start()?);
        schema(&server);
        Some(Self::of_made(redis, server))
    }

    /// With these servers.
    pub fn of(redis: Redis, server: Server) -> Self {
        Self::of_made(redis, server.with_schema())
    }

    fn of_made(redis: Redis, server: Server) -> Self {
        let mut client = server.client();
        let roles = "CREATE ROLE north LOGIN IN ROLE galmorph_writer";
        client.batch_execute(roles).unwrap();
        Self {
            server,
            redis,
            folder: TempDir::new().unwrap(),
        }
    }

    /// The folder of images.
    pub fn root(&self) -> PathBuf {
        let root = self.folder.path().join("images");
        fs::create_dir_all(&root).unwrap();
        root
    }

    /// Puts images there: samples, again and again. Returns their number.
    pub fn images(&self, count: usize) -> i64 {
        copy_samples(count, |number| self.image(number))
    }

    /// The path of one of them.
    pub fn image(&self, number: usize) -> PathBuf {
        self.root().join(format!("{number:04}.jpg"))
    }

    fn with_servers(&self, command: &str) -> Program {
        self.of_build(program(command))
    }

    /// A command of another build, with the servers.
    pub fn of_build(&self, mut program: Program) -> Program {
        program.args(["--site", SITE, "--to", &self.server.address("north")]);
        program.args(["--stream", &self.redis.address()]);
        program
    }

    /// `work` on a machine of its own.
    pub fn work_on(&self, branch: &Branch) -> Program {
        let [redis, server] = [Peer::Redis, Peer::Postgres].map(|peer| branch.server(peer));
        let mut work = program("work");
        work.args([
            "--site",
            SITE,
            "--to",
            &self.server.address_at(&server, "north"),
        ]);
        work.args(["--stream", &self.redis.address_at(&redis)]);
        work.args(["--claim", CLAIM, "--workers", "2"])
            .arg(self.root());
        work
    }

    /// `feed`, of the folder.
    pub fn feed(&self) -> Program {
        let mut feed = self.with_servers("feed");
        feed.arg(self.root());
        feed
    }

    /// `feed`, of another folder.
    pub fn feed_folder(&self, folder: &Path) -> Program {
        let mut feed = self.with_servers("feed");
        feed.arg(folder);
        feed
    }

    /// `work`, on another folder.
    pub fn work_on_folder(&self, folder: &Path) -> Program {
        let mut work = self.with_servers("work");
        work.args(["--claim", CLAIM, "--workers", "2"]).arg(folder);
        work
    }

    /// `feed`, of a list.
    pub fn feed_list(&self, list: &Path) -> Program {
        let mut feed = self.with_servers("feed");
        feed.arg("--list").arg(list);
        feed
    }

    /// `work`, with two threads.
    pub fn work(&self) -> Program {
        self.work_silent_for(CLAIM)
    }

    /// The same, where a worker may be silent for so many seconds.
    pub fn work_silent_for(&self, claim: &str) -> Program {
        let mut work = self.with_servers("work");
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

    pub fn status(&self) -> Program {
        self.with_servers("status")
    }

    /// What `status` says, as JSON.
    pub fn report(&self) -> serde_json::Value {
        let said = self.status().args(["--format", "json"]).succeeds();
        serde_json::from_str(&said).unwrap()
    }

    /// Items on the stream.
    pub fn length(&self) -> i64 {
        let mut length = cmd("XLEN");
        length.arg(format!("galmorph:{SITE}"));
        length.query(&mut self.redis.connection()).unwrap()
    }

    /// Items in workers' hands: id, holder, milliseconds of silence, deliveries.
    pub fn held(&self) -> Vec<(String, String, u64, u64)> {
        let mut held = cmd("XPENDING");
        held.arg(format!("galmorph:{SITE}"))
            .arg("galmorph")
            .arg("-")
            .arg("+")
            .arg(100_000);
        held.query(&mut self.redis.connection()).unwrap()
    }

    /// Has all that is held be held for so many milliseconds, as far as the server knows. Returns how much that is.
    pub fn set_back(&self, milliseconds: u64) -> usize {
        let held = self.held();
        for (id, holder, ..) in &held {
            let mut claim = cmd("XCLAIM");
            claim
                .arg(format!("galmorph:{SITE}"))
                .arg("galmorph")
                .arg(holder)
                .arg(0)
                .arg(id)
                .arg("IDLE")
                .arg(milliseconds)
                .arg("JUSTID");
            claim
                .query::<Vec<String>>(&mut self.redis.connection())
                .unwrap();
        }
        held.len()
    }

    /// Adds a file that was delivered again and again, to workers that are gone.
    pub fn add_in_vain(&self, path: &Path) {
        self.add(&[("path", path.to_str().unwrap())]);
        let key = format!("galmorph:{SITE}");
        let mut connection = self.redis.connection();
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg("galmorph").arg("gone");
        read.arg("STREAMS").arg(&key).arg(">");
        read.exec(&mut connection).unwrap();
        for (id, ..) in self.held() {
            let mut claim = cmd("XCLAIM");
            claim.arg(&key).arg("galmorph").arg("gone").arg(0).arg(id);
            claim.arg("IDLE").arg(600_000).arg("RETRYCOUNT").arg(6);
            claim.exec(&mut connection).unwrap();
        }
    }

    /// Adds a reference as a shell would.
    pub fn add(&self, fields: &[(&str, &str)]) {
        let mut add = cmd("XADD");
        add.arg(format!("galmorph:{SITE}")).arg("*");
        for (name, value) in fields {
            add.arg(*name).arg(*value);
        }
        add.query::<String>(&mut self.redis.connection()).unwrap();
    }

    /// Waits until some worker has something in its hands.
    pub fn wait_for_work(&self) {
        wait_for(|| !self.held().is_empty());
    }

    /// Waits until at least so many rows are there.
    pub fn wait_for_rows(&self, what: &str, least: i64) {
        self.server.wait_for_rows(what, least);
    }

    /// One number.
    pub fn number(&self, query: &str) -> i64 {
        self.server.client().query_one(query, &[]).unwrap().get(0)
    }

    /// Nothing is lost and nothing doubled: each of the files has one row, and was written once, whoever wrote it; nothing is on the
    /// stream; and `status` says the same.
    pub fn assert_all_done(&self, files: i64) {
        assert_eq!(self.server.count("cutout"), files);
        assert_eq!(
            self.number("SELECT count(DISTINCT path) FROM cutout"),
            files
        );
        assert_eq!(
            self.number("SELECT sum(answered + rejected)::bigint FROM worker"),
            files
        );
        assert_eq!(self.length(), 0);
        assert_eq!(self.held(), []);
        let report = self.report();
        assert_eq!(report["unaccounted"], 0, "{report}");
        let [answered, rejected] =
            ["answered", "rejected"].map(|name| report[name].as_i64().unwrap());
        assert_eq!(report["fed"], answered + rejected);
    }

    /// What a row says.
    pub fn row(&self, path: &Path) -> (Option<String>, Option<String>, i64) {
        let find = "SELECT label, reason, attempts FROM cutout WHERE path = $1";
        let path = path.to_str().unwrap();
        let row = self.server.client().query_one(find, &[&path]).unwrap();
        (row.get(0), row.get(1), row.get(2))
    }
}

/// Asks a worker to end, and waits for that.
pub fn finish(child: Child) {
    terminate(&child);
    end(child, Some(0));
}

/// Waits until a program has said something.
pub fn wait_for_words(said: &Path, words: &str) {
    wait_for(|| fs::read_to_string(said).unwrap().contains(words));
}
