//! A PostgreSQL server of the test's own: its own folder, its own port, ended with the test.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use postgres::{Client, NoTls};
use tempfile::TempDir;

use super::{free_port, program, wait_for};

/// A server.
pub struct Server {
    folder: TempDir,
    data: PathBuf,
    bin: PathBuf,
    user: Option<(u32, u32)>,
    pub port: u16,
    process: Option<Child>,
    options: Vec<String>,
    /// Where it listens, beside this machine's own address.
    listens: String,
}

/// Where PostgreSQL's programs are, if they are here.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop()
}

/// The user `postgres`, if this one is root: PostgreSQL doesn't run as root.
fn user() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self")
        .ok()
        .map(|own| std::os::unix::fs::MetadataExt::uid(&own))
        != Some(0)
    {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut parts = line
        .expect("PostgreSQL's package makes its user")
        .split(':')
        .skip(2);
    let mut number = || parts.next().unwrap().parse().unwrap();
    Some((number(), number()))
}

impl Server {
    /// Starts one; `None`, and a line, where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        Self::start_in(|_| true)
    }

    /// One that listens at an address of another network, too.
    pub fn start_at(address: &str) -> Option<Self> {
        Self::make(|_| true, address)
    }

    /// The same, after `prepare` has made something of the folder in which its data will be.
    pub fn start_in(prepare: impl FnOnce(&Path) -> bool) -> Option<Self> {
        Self::make(prepare, "")
    }

    fn make(prepare: impl FnOnce(&Path) -> bool, address: &str) -> Option<Self> {
        let Some(bin) = programs() else {
            eprintln!("skipped: PostgreSQL is not installed (scripts/setup fleet installs it)");
            return None;
        };
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let disk = folder.path().join("disk");
        fs::create_dir(&disk).unwrap();
        if !prepare(&disk) {
            eprintln!("skipped: this user can't mount a small disk");
            return None;
        }
        let user = user();
        // The log of writes has a disk of its own: without one, a full disk ends the server.
        let log = folder.path().join("wal");
        fs::create_dir(&log).unwrap();
        if let Some((uid, gid)) = user {
            chown(&disk, Some(uid), Some(gid)).unwrap();
            chown(&log, Some(uid), Some(gid)).unwrap();
        }
        let port = free_port();
        let mut server = Self {
            data: disk.join("data"),
            folder,
            bin,
            user,
            port,
            process: None,
            options: Vec::new(),
            listens: format!("listen_addresses=127.0.0.1,{address}"),
        };
        let made = server
            .command("initdb")
            .args([
                "--auth=trust",
                "--username=owner",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "--wal-segsize=1",
                "-D",
            ])
            .arg(&server.data)
            .arg("--waldir")
            .arg(log.join("wal"))
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let rights = fs::OpenOptions::new()
            .append(true)
            .open(server.data.join("pg_hba.conf"));
        writeln!(rights.unwrap(), "host all all 10.0.0.0/8 trust").unwrap();
        server.run();
        server.sql("CREATE DATABASE galmorph");
        Some(server)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir("/");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Sets something for its next start.
    pub fn set(&mut self, option: &str) {
        self.options.extend(["-c".to_owned(), option.to_owned()]);
    }

    /// Starts it, and waits until it answers.
    pub fn run(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let process = self
            .command("postgres")
            .arg("-D")
            .arg(&self.data)
            .args([
                "-p",
                &self.port.to_string(),
                "-k",
                "",
                "-c",
                self.listens.trim_end_matches(','),
            ])
            .args(["-c", "max_wal_size=4MB", "-c", "min_wal_size=2MB"])
            .args(&self.options)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(process.unwrap());
        wait_for(|| {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{}",
                fs::read_to_string(self.folder.path().join("log")).unwrap()
            );
            self.connect("postgres").is_ok()
        });
    }

    /// Starts it again if it has ended, and waits until it answers.
    pub fn run_if_ended(&mut self) {
        let process = self.process.as_mut().unwrap();
        // One that recovers without success ends soon after; one that is well answers.
        let mut has_ended = false;
        wait_for(|| {
            has_ended = process.try_wait().unwrap().is_some();
            let address = format!(
                "host=127.0.0.1 port={} user=owner dbname=postgres",
                self.port
            );
            has_ended || Client::connect(&address, NoTls).is_ok()
        });
        if has_ended {
            self.run();
        }
    }

    /// Ends it: `-INT` as an administrator does, `-QUIT` as a crash does.
    pub fn stop(&mut self, signal: &str) {
        let mut process = self.process.take().unwrap();
        let sent = Command::new("kill")
            .arg(signal)
            .arg(process.id().to_string())
            .status();
        assert!(sent.unwrap().success());
        process.wait().unwrap();
    }

    fn connect(&self, database: &str) -> Result<Client, postgres::Error> {
        Client::connect(
            &format!(
                "host=127.0.0.1 port={} user=owner dbname={database}",
                self.port
            ),
            NoTls,
        )
    }

    fn sql(&self, statement: &str) {
        self.connect("postgres")
            .unwrap()
            .batch_execute(statement)
            .unwrap();
    }

    /// A connection to look with.
    pub fn client(&self) -> Client {
        self.connect("galmorph").unwrap()
    }

    /// What `--to` is given.
    pub fn address(&self, user: &str) -> String {
        self.address_at("127.0.0.1", user)
    }

    /// The same from another network.
    pub fn address_at(&self, host: &str, user: &str) -> String {
        format!("postgresql://{user}@{host}:{}/galmorph", self.port)
    }

    /// Where its data are.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Makes a file that it can read.
    pub fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.user {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    /// Makes the tables.
    pub fn with_schema(self) -> Self {
        program("schema")
            .args(["--to", &self.address("owner")])
            .succeeds();
        self
    }

    /// Waits until at least so many rows are there.
    pub fn wait_for_rows(&self, what: &str, least: i64) {
        let mut client = self.client();
        let count = format!("SELECT count(*) FROM {what}");
        wait_for(|| client.query_one(&count, &[]).unwrap().get::<_, i64>(0) >= least);
    }

    /// One number.
    pub fn count(&self, what: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {what}");
        self.client().query_one(&statement, &[]).unwrap().get(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop("-QUIT");
        }
    }
}
