//! A folder of one's own, images to put there, and the program to run on them.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Cursor};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

/// The program.
pub(crate) const GALMORPH: &str = env!("CARGO_BIN_EXE_galmorph");

/// A model that looks at four views of an image, as the paper does.
pub(crate) const PAPERS_MODEL: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../models/zhu2019-small.onnx");

/// Only a failure takes so long.
const DEADLINE: Duration = Duration::from_mins(2);

/// Image files to classify, a different galaxy for each seed.
pub(crate) fn galaxy(seed: u32) -> RgbImage {
    let stretch = 0.3 + 0.1 * (seed % 7) as f32;
    let width = 12.0 + (seed % 11) as f32;
    RgbImage::from_fn(128, 128, |x, y| {
        let (dx, dy) = (x as f32 - 64.0, (y as f32 - 64.0) / stretch);
        let light = 220.0 * (-(dx * dx + dy * dy) / (2.0 * width * width)).exp();
        // A little noise, and the seed itself, so that no two images are the same.
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) ^ seed) % 13;
        let value = light as u8 + noise as u8;
        Rgb([value, value / 2 + (seed % 50) as u8, (seed % 251) as u8])
    })
}

/// A galaxy as a JPEG file.
pub(crate) fn jpeg(seed: u32) -> Vec<u8> {
    encoded(galaxy(seed), ImageFormat::Jpeg)
}

/// A galaxy as a PNG file.
pub(crate) fn png(seed: u32) -> Vec<u8> {
    encoded(galaxy(seed), ImageFormat::Png)
}

/// Any image as a file.
pub(crate) fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    let image = image.into();
    image
        .write_to(&mut Cursor::new(&mut bytes), format)
        .unwrap();
    bytes
}

/// The digest that the catalog knows some content by.
pub(crate) fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A temporary folder with an `inbox` in it, where the program runs.
pub(crate) struct Dir {
    temporary: TempDir,
    root: PathBuf,
}

impl Dir {
    pub(crate) fn new() -> Self {
        Self::in_place(TempDir::new().unwrap())
    }

    /// On the file system that `folder` is on.
    pub(crate) fn within(folder: &Path) -> Self {
        Self::in_place(TempDir::new_in(folder).unwrap())
    }

    fn in_place(temporary: TempDir) -> Self {
        let root = temporary.path().canonicalize().unwrap();
        fs::create_dir(root.join("inbox")).unwrap();
        Self { temporary, root }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn inbox(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join("inbox").join(name)
    }

    /// Puts a file into the inbox that has lain there for an hour.
    pub(crate) fn old_file(&self, name: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = self.inbox(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        age(&path);
        path
    }

    /// Writes a configuration file and returns its path.
    pub(crate) fn config(&self, text: &str) -> PathBuf {
        let path = self.path("galmorph.toml");
        fs::write(&path, text).unwrap();
        path
    }

    /// The program with these arguments, in this folder, and nothing from outside.
    pub(crate) fn galmorph<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = self.program(GALMORPH);
        command.args(arguments);
        command
    }

    /// Any program, in this folder, and nothing from outside that ours would heed.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .current_dir(self.temporary.path())
            .env_remove("GALMORPH_LOG")
            .env_remove("STATE_DIRECTORY")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("JOURNAL_STREAM")
            // cargo sets it; the loader would look for every library in each of its folders.
            .env_remove("LD_LIBRARY_PATH");
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.galmorph(arguments).output().unwrap())
    }

    /// Runs `watch inbox --drain` to its end.
    pub(crate) fn drain(&self) -> Ran {
        self.run(&["watch", "inbox", "--drain"])
    }

    /// Starts a daemon on the inbox; returns when it listens.
    pub(crate) fn daemon(&self, arguments: &[&str]) -> Daemon {
        let daemon = self.starting_daemon(arguments);
        daemon.wait_until_ready();
        daemon
    }

    /// Starts a daemon on these folders; returns when it listens.
    pub(crate) fn daemon_on(&self, folders: &[&str], arguments: &[&str]) -> Daemon {
        let daemon = Daemon::start(self, folders, arguments);
        daemon.wait_until_ready();
        daemon
    }

    /// Starts a daemon on the inbox, which may not come to listen.
    pub(crate) fn starting_daemon(&self, arguments: &[&str]) -> Daemon {
        Daemon::start(self, &["inbox"], arguments)
    }

    /// One value from the catalog.
    pub(crate) fn ask<T: FromSql>(&self, sql: &str) -> T {
        let connection = self.catalog();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// How many rows there are of something.
    pub(crate) fn count(&self, from: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {from}");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        Connection::open_with_flags(self.path("galmorph.sqlite"), flags)
            .and_then(|connection| connection.query_row(&sql, [], |row| row.get(0)))
            .unwrap()
    }

    /// What `galmorph status` says.
    pub(crate) fn status(&self) -> serde_json::Value {
        let ran = self.run(&["status", "--format", "json"]).exits(0);
        assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    pub(crate) fn catalog(&self) -> Connection {
        Connection::open(self.path("galmorph.sqlite")).unwrap()
    }

    /// Every row is whole: with its answer, or the reason why it has none.
    pub(crate) fn assert_sound(&self) {
        assert_eq!(self.ask::<String>("PRAGMA integrity_check"), "ok");
    }
}

/// Files seen, classified, rejected and waiting; the first is the sum of the others.
pub(crate) fn file_counts(status: &serde_json::Value) -> [u64; 4] {
    let counts = ["seen", "classified", "rejected", "waiting"]
        .map(|name| status["files"][name].as_u64().unwrap());
    assert_eq!(counts[0], counts[1..].iter().sum::<u64>());
    counts
}

/// Makes a file an hour old.
pub(crate) fn age(path: &Path) {
    let file = fs::File::options().append(true).open(path).unwrap();
    let hour_ago = SystemTime::now() - Duration::from_hours(1);
    file.set_modified(hour_ago).unwrap();
}

/// What a command left behind.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Checks the exit code, and shows what was said if it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self
    }

    /// How many files a drain says that it classified, and how many of those are copies: of the same
    /// content as another, which the network need not see.
    #[track_caller]
    pub(crate) fn classified(&self) -> (i64, i64) {
        let line = self.stdout.lines().next().unwrap_or_default();
        let words: Vec<&str> = line.split([' ', '(']).collect();
        let number = |at: usize| -> i64 { words[at].parse().expect(line) };
        assert!(
            words.len() > 3 && words[2] == "classified",
            "{}",
            self.stdout
        );
        let copies = line.contains(" of the same content as another)");
        (number(0), if copies { number(4) } else { 0 })
    }

    /// How many files a drain says that the network classified.
    #[track_caller]
    pub(crate) fn classified_by_the_network(&self) -> i64 {
        let (files, copies) = self.classified();
        files - copies
    }

    /// Checks that there is one clear line on standard error, which says all of `parts`.
    #[track_caller]
    pub(crate) fn says_in_one_line(&self, parts: &[&str]) {
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{}", self.stderr);
        assert!(lines[0].starts_with("galmorph: "), "{}", self.stderr);
        for part in parts {
            assert!(lines[0].contains(part), "'{part}' in: {}", self.stderr);
        }
    }
}

/// A running `galmorph watch inbox`, killed when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    told: Receiver<String>,
    log: Receiver<String>,
}

impl Daemon {
    fn start(dir: &Dir, folders: &[&str], arguments: &[&str]) -> Self {
        let arguments = ["watch", "-v"].iter().chain(folders).chain(arguments);
        Self::spawn(dir, &mut dir.galmorph(arguments))
    }

    /// Starts a daemon as systemd would, which hears what it says.
    pub(crate) fn spawn(dir: &Dir, command: &mut Command) -> Self {
        let socket = dir.path("notify.socket");
        let _ = fs::remove_file(&socket);
        let service = UnixDatagram::bind(&socket).unwrap();
        let mut child = command
            .env("NOTIFY_SOCKET", &socket)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // On a thread: the daemon never waits for us to hear it.
        let (sender, told) = channel();
        thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length) = service.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..length]).into_owned();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        // Read to its end on a thread: the daemon never waits for us to read its log.
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // A test that has seen enough is gone.
                let _ = sender.send(line);
            }
        });
        Self { child, told, log }
    }

    /// Waits until it listens.
    pub(crate) fn wait_until_ready(&self) {
        self.wait_to_hear("READY=1");
    }

    /// Waits until it has told systemd something with `part` in it, and returns all of that.
    pub(crate) fn wait_to_hear(&self, part: &str) -> String {
        self.hear_until(part).pop().unwrap()
    }

    /// Everything that it has told systemd, up to something with `part` in it.
    pub(crate) fn hear_until(&self, part: &str) -> Vec<String> {
        let deadline = Instant::now() + DEADLINE;
        let mut heard = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(text) = self.told.recv_timeout(left) else {
                panic!("waited in vain to hear '{part}': {heard:?}");
            };
            let is_it = text.contains(part);
            heard.push(text);
            if is_it {
                return heard;
            }
        }
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let status = Command::new("kill").args([name, &process]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until a line of the log contains `part`, and returns it.
    pub(crate) fn wait_for_line(&mut self, part: &str) -> String {
        self.wait_for_line_of(&[part])
    }

    /// Waits until a line of the log contains one of `parts`, and returns it.
    pub(crate) fn wait_for_line_of(&mut self, parts: &[&str]) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if parts.iter().any(|part| line.contains(part)) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("ended without a line of {parts:?}"),
                Err(RecvTimeoutError::Timeout) => panic!("waited in vain for a line of {parts:?}"),
            }
        }
    }

    /// How it ended, if it has.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the daemon ends", || {
            status = self.status();
            status.is_some()
        });
        status.unwrap()
    }

    /// Asks it to end, and expects that it does so well.
    pub(crate) fn end(mut self) {
        self.signal("-TERM");
        let code = self.wait().code();
        let said: Vec<String> = self.log.iter().collect();
        assert_eq!(code, Some(0), "{}", said.join("\n"));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
