//! What a person at a terminal sees. `script` makes the terminal.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use crate::support::{Dir, GALMORPH, jpeg, wait_until};

fn has_script() -> bool {
    let here = Command::new("script").arg("--version").output().is_ok();
    if !here {
        let _ = writeln!(io::stderr(), "skipped: no script here");
    }
    here
}

/// The program on a terminal of this width, with these arguments, in this folder.
fn on_terminal(dir: &Dir, width: usize, arguments: &str) -> Command {
    let mut command = dir.program("script");
    let shell = format!("stty cols {width}; exec {GALMORPH} {arguments}");
    command
        .args(["--quiet", "--return", "--flush", "--command", &shell])
        .arg("/dev/null")
        .env("TERM", "xterm")
        .env_remove("COLUMNS");
    command
}

/// The lines that appear on a terminal of this width.
fn lines(dir: &Dir, width: usize, arguments: &str) -> Vec<String> {
    let output = on_terminal(dir, width, arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[test]
fn a_table_fits_the_terminal_and_names_paths_from_here() {
    if !has_script() {
        return;
    }
    let dir = Dir::new();
    dir.old_file("587722981741363294.jpg", &jpeg(1));
    let long = "field-1/".repeat(12) + "b.jpg";
    dir.old_file(&long, &jpeg(2));
    dir.drain().exits(0);

    for (command, header) in [
        (
            "query",
            "object_id label confidence runner_up classified_at path",
        ),
        (
            &*format!("classify inbox/587722981741363294.jpg inbox/{long}"),
            "object_id label confidence runner_up path",
        ),
    ] {
        let shown = lines(&dir, 100, command);
        assert_eq!(shown.len(), 3, "{shown:?}");
        let words: Vec<&str> = shown[0].split_whitespace().collect();
        assert_eq!(words.join(" "), header);
        for line in &shown {
            assert!(line.chars().count() <= 100, "{line}");
        }
        assert!(shown[1].contains("587722981741363294 "), "{}", shown[1]);
        assert!(shown[1].contains("  inbox/"), "{}", shown[1]);
        assert!(shown[2].contains('…') && shown[2].ends_with("b.jpg"));
    }

    let wide = lines(&dir, 100, "query --wide");
    assert!(wide[0].contains("p_spiral"), "{}", wide[0]);
    assert!(wide[2].contains(dir.inbox(&long).to_str().unwrap()));
    let chosen = lines(&dir, 40, "query --columns path,label");
    assert!(chosen[0].starts_with("path"), "{}", chosen[0]);
    assert!(chosen.iter().all(|line| line.chars().count() <= 40));
    // Whoever asks for another format wants all of it.
    let csv = lines(&dir, 40, "query --format csv --limit 1");
    assert!(csv[0].starts_with("path,object_id,ra,dec,label,"));
}

/// A program on a terminal, with all that has appeared there so far.
struct Session {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Session {
    fn start(mut command: Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let shown = Arc::<Mutex<String>>::default();
        let seen = Arc::clone(&shown);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]);
                seen.lock().unwrap().push_str(&text);
            }
        });
        Self { child, shown }
    }

    fn wait_to_see(&self, part: &str) {
        wait_until(part, || self.shown.lock().unwrap().contains(part));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_running_watch_says_what_it_watches_what_it_rejects_and_sums_up_at_ctrl_c() {
    if !has_script() {
        return;
    }
    let dir = Dir::new();
    dir.old_file("a.webp", b"RIFF");
    let inbox = dir.path("inbox");
    let mut session = Session::start(on_terminal(&dir, 120, "watch inbox"));
    session.wait_to_see(&format!(
        "watching {} (catalog galmorph.sqlite, model galmorph-1)",
        inbox.display()
    ));
    session.wait_to_see("files of other kinds are left alone: 1 .webp (");
    session.wait_to_see("0 classified, 0 rejected · idle since ");
    let put = |name: &str, bytes: &[u8]| {
        fs::write(dir.path(name), bytes).unwrap();
        fs::rename(dir.path(name), dir.inbox(name)).unwrap();
    };
    put("good.jpg", &jpeg(1));
    put("bad.jpg", b"text");
    let bad = dir.inbox("bad.jpg");
    session.wait_to_see(&format!("rejected '{}': not_an_image: ", bad.display()));
    session.wait_to_see("1 classified, 1 rejected · idle since ");

    session
        .child
        .stdin
        .take()
        .unwrap()
        .write_all(b"\x03")
        .unwrap();
    let status = session.child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    session.wait_to_see("1 file classified in ");
    session.wait_to_see("rejected 1 file");
    session.wait_to_see("left alone: 1 .webp (");
    session.wait_to_see("next: ");
    let shown = session.shown.lock().unwrap();
    assert!(!shown.contains("interrupted"), "{shown}");
}

#[test]
fn quiet_is_quiet_on_a_terminal_too() {
    if !has_script() {
        return;
    }
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    assert_eq!(lines(&dir, 100, "watch inbox --drain --quiet").concat(), "");
    for command in ["retry", "backup copy.sqlite", "check inbox"] {
        assert_eq!(lines(&dir, 100, &format!("{command} -q")).concat(), "");
    }
    assert!(dir.path("copy.sqlite").exists());
    // Errors are said.
    let output = on_terminal(&dir, 100, "retry -q /gone").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("has no file at or below '/gone'"), "{text}");
}

#[test]
fn what_the_program_suggests_can_be_pasted() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.old_file("bad.jpg", b"text");
    let catalog = "it's a catalog.sqlite";
    let ran = dir
        .run(&["watch", "inbox", "--drain", "--catalog", catalog])
        .exits(1);
    for name in ["next:", "why:"] {
        let line = ran.stdout.lines().find_map(|line| line.strip_prefix(name));
        let suggested = line.expect(&ran.stdout).trim();
        assert!(Path::new(GALMORPH).is_absolute());
        assert!(suggested.starts_with(GALMORPH), "{suggested}");
        let mut shell = dir.program("sh");
        let output = shell.args(["-c", suggested]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 2, "{suggested}: {text}");
    }
}
