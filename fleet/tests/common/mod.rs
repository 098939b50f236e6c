//! What the tests share: the program, processes, small disks.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test target uses some of it"
)]

pub mod clock;
pub mod expect;
pub mod machine;
pub mod network;
pub mod postgres;
pub mod redis;
pub mod stream;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

/// Copies samples to the places of `count` images, again and again. Returns their number.
pub fn copy_samples(count: usize, place: impl Fn(usize) -> PathBuf) -> i64 {
    let samples = samples();
    for number in 0..count {
        fs::copy(&samples[number % samples.len()], place(number)).unwrap();
    }
    count as i64
}

/// Whether there is time for the long form of a test.
pub fn is_long() -> bool {
    env::var_os("GALMORPH_FLEET_LONG").is_some()
}

/// The program with a command and its arguments.
pub struct Program(Command);

/// `galmorph-fleet COMMAND`.
pub fn program(command: &str) -> Program {
    program_at(Path::new(env!("CARGO_BIN_EXE_galmorph-fleet")), command)
}

/// The same of another build.
pub fn program_at(place: &Path, command: &str) -> Program {
    let mut program = Command::new(place);
    program
        .arg(command)
        .env_remove("GALMORPH_LOG")
        .env_remove("GALMORPH_FLEET_DATABASE")
        .env_remove("GALMORPH_FLEET_STREAM");
    Program(program)
}

impl Program {
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.0.arg(argument);
        self
    }

    pub fn args<'a>(&mut self, arguments: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.0.args(arguments);
        self
    }

    pub fn run(&mut self) -> Output {
        self.0.output().unwrap()
    }

    /// Runs it to its end, and returns what it printed and what it said.
    pub fn ends(&mut self, code: i32) -> (String, String) {
        let output = self.run();
        let [out, said] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(
            output.status.code(),
            Some(code),
            "{:?}\n{out}{said}",
            self.0
        );
        (out, said)
    }

    pub fn succeeds(&mut self) -> String {
        self.ends(0).0
    }

    /// Returns what it said on standard error.
    pub fn fails(&mut self, code: i32) -> String {
        self.ends(code).1
    }

    pub fn spawn(&mut self) -> Child {
        let quiet = self.0.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.spawn().unwrap()
    }

    /// Starts it, with what it says on standard error in a file.
    pub fn spawn_saying(&mut self, file: &Path) -> Child {
        let said = fs::File::create(file).unwrap();
        self.0.stdout(Stdio::null()).stderr(said).spawn().unwrap()
    }

    /// The same under another program.
    fn wrapped(&self, wrapper: &[&str]) -> Command {
        let mut command = Command::new(wrapper[0]);
        command
            .args(&wrapper[1..])
            .arg(self.0.get_program())
            .args(self.0.get_args())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs it under another program.
    pub fn under(&mut self, wrapper: &[&str]) -> ExitStatus {
        self.wrapped(wrapper).status().unwrap()
    }

    /// Starts it under another program, which becomes it.
    pub fn spawn_under(&mut self, wrapper: &[&str]) -> Child {
        self.wrapped(wrapper).spawn().unwrap()
    }
}

/// Waits for something that is certain to happen.
pub fn wait_for(mut happened: impl FnMut() -> bool) {
    while !happened() {
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for the end of a process.
pub fn end(mut child: Child, code: Option<i32>) {
    assert_eq!(child.wait().unwrap().code(), code);
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .arg(name)
        .arg(child.id().to_string())
        .status();
    assert!(sent.unwrap().success());
}

/// A process that doesn't run.
pub struct Stopped(Child);

/// Stops a process, and waits until it has.
pub fn stop(child: Child) -> Stopped {
    signal(&child, "-STOP");
    let stat = format!("/proc/{}/stat", child.id());
    wait_for(|| {
        let text = fs::read_to_string(&stat).unwrap();
        let state = text.rsplit_once(") ").unwrap().1;
        state.starts_with(['T', 'Z'])
    });
    Stopped(child)
}

impl Stopped {
    /// Lets it run.
    pub fn wakes(self) -> Child {
        signal(&self.0, "-CONT");
        self.0
    }

    /// Lets it run, and waits for its end.
    pub fn go_on(self, code: Option<i32>) {
        signal(&self.0, "-CONT");
        end(self.0, code);
    }
}

/// Asks a process to end.
pub fn terminate(child: &Child) {
    signal(child, "-TERM");
}

/// Whether a process has got all signals that were sent to it.
pub fn is_asked_to_end(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let mut pending = status.lines().filter_map(|line| {
        let (name, mask) = line.split_once(':')?;
        matches!(name, "SigPnd" | "ShdPnd").then(|| mask.trim())
    });
    pending.all(|mask| mask.bytes().all(|digit| digit == b'0'))
}

/// A port of this machine that nothing listens at.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Whether a program is on this machine.
pub fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The samples that lie in the repository.
pub fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/cutouts");
    let mut samples: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    samples.sort();
    samples
}

/// A small disk.
pub struct Mount(PathBuf);

impl Mount {
    /// Puts one in a folder, if this user may.
    pub fn tmpfs(folder: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0777");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(folder)
            .stderr(Stdio::null());
        mount
            .status()
            .is_ok_and(|status| status.success())
            .then(|| Self(folder.to_owned()))
    }

    /// Gives it another size.
    pub fn resize(folder: &Path, size: &str) {
        let options = format!("remount,size={size}");
        let status = Command::new("mount")
            .args(["-o", &options])
            .arg(folder)
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
