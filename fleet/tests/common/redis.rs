//! A Redis server of the test's own: its own folder, its own port, ended with the test.

use std::fs;
use std::process::{Child, Command, Stdio};

use redis::{Client, Connection, cmd};
use tempfile::TempDir;

use super::{free_port, has, wait_for};

/// A server.
pub struct Redis {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
    /// Where it listens, beside this machine's own address.
    listens: Option<String>,
}

impl Redis {
    /// Starts one that keeps an append-only file; `None`, and a line, where Redis is not installed.
    pub fn start() -> Option<Self> {
        Self::make(None)
    }

    /// One that listens at an address of another network, too.
    pub fn start_at(address: &str) -> Option<Self> {
        Self::make(Some(address.to_owned()))
    }

    fn make(listens: Option<String>) -> Option<Self> {
        if !has("redis-server") {
            eprintln!("skipped: Redis is not installed (scripts/setup fleet installs it)");
            return None;
        }
        let port = free_port();
        let mut server = Self {
            folder: TempDir::new().unwrap(),
            port,
            process: None,
            listens,
        };
        server.run();
        Some(server)
    }

    /// Starts it, and waits until it answers.
    pub fn run(&mut self) {
        let process = Command::new("redis-server")
            .args(["--protected-mode", "no", "--bind", "127.0.0.1"])
            .args(&self.listens)
            .args(["--port", &self.port.to_string(), "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.unwrap());
        wait_for(|| {
            assert!(self.process.as_mut().unwrap().try_wait().unwrap().is_none());
            let connection = self.client().get_connection();
            connection
                .is_ok_and(|mut connection| cmd("PING").query::<String>(&mut connection).is_ok())
        });
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Removes all that it has kept. It must not run.
    pub fn wipe(&self) {
        fs::remove_dir_all(self.folder.path().join("appendonlydir")).unwrap();
    }

    fn client(&self) -> Client {
        Client::open(self.address()).unwrap()
    }

    /// A connection to look with.
    pub fn connection(&self) -> Connection {
        self.client().get_connection().unwrap()
    }

    /// What `--stream` is given.
    pub fn address(&self) -> String {
        self.address_at("127.0.0.1")
    }

    /// The same from another network.
    pub fn address_at(&self, host: &str) -> String {
        format!("redis://{host}:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}
