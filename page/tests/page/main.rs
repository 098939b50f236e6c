//! The program from outside: a catalog of one galaxy, asked for over its port and its socket.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod why;

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use blake3::Hash;
use galmorph_catalog::{
    Entry, Judgement, ModelInUse, Reader, Stamp, Verdict, Watched, WatchedFolder, Writer,
};
use galmorph_cutout::{Flags, Frame, Framing, Identity, Limits, Morphology, Probabilities, Shown};
use image::{Rgb, RgbImage};
use jiff::Timestamp;
use tempfile::TempDir;

/// A folder with a galaxy and its catalog.
struct Dir(TempDir);

/// What a catalog says of its only galaxy.
struct Row {
    model: ModelInUse,
    picture: RgbImage,
    rendering: &'static str,
    answer: Probabilities,
}

impl Row {
    fn new() -> Self {
        Self {
            model: ModelInUse {
                name: "m".into(),
                digest: blake3::hash(b"model"),
                card: r#"{"prior":{"round":0.25,"in_between":0.25,"cigar":0.01,"edge_on":0.24,"spiral":0.25}}"#.into(),
                arithmetic: "f32".into(),
            },
            picture: RgbImage::from_fn(424, 424, |x, y| Rgb([x as u8, y as u8, 90])),
            rendering: "paper",
            answer: Probabilities::from_values([0.1, 0.1, 0.1, 0.1, 0.6]),
        }
    }
}

impl Dir {
    fn new() -> Self {
        Self::with(Row::new())
    }

    fn with(row: Row) -> Self {
        let Row {
            model,
            picture,
            rendering,
            answer,
        } = row;
        let dir = Self(TempDir::new().unwrap());
        let folder = dir.0.path().canonicalize().unwrap().join("in");
        fs::create_dir(&folder).unwrap();
        let path = folder.join("a <b>.png");
        picture.save(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        let mut writer = Writer::open(&dir.catalog(), &model).unwrap();
        let watched = Watched {
            folders: vec![WatchedFolder {
                path: folder,
                ..WatchedFolder::default()
            }],
            extensions: vec!["png".into()],
            ..Watched::default()
        };
        writer.record_watch(&watched, &Limits::default()).unwrap();
        let frame = Frame {
            framing: Framing::Paper,
            x: 212.0,
            y: 212.0,
            side: 424.0,
        };
        let entry = Entry {
            stamp: Stamp::of(&path.metadata().unwrap()),
            path,
            digest: Some(blake3::hash(&bytes)),
            dimensions: Some((424, 424)),
            rendering: Some(rendering.into()),
            shown: Some(Shown {
                frame,
                flags: Flags::default(),
            }),
            stretch: None,
            novelty: None,
            prediction_set: None,
            camera: None,
            identity: Identity::named("a <b>".into()),
            parts: Vec::new(),
            attempts: 1,
            first_seen: Timestamp::now(),
            verdict: Verdict::Classified(answer),
        };
        writer.record(&[entry]).unwrap();
        dir
    }

    fn catalog(&self) -> PathBuf {
        self.0.path().join("galaxies.sqlite")
    }

    fn image(&self) -> PathBuf {
        self.0.path().join("in/a <b>.png")
    }

    fn digest(&self) -> Hash {
        blake3::hash(&fs::read(self.image()).unwrap())
    }

    fn serve(&self, listen: &str) -> Page {
        self.serve_with(&["--listen", listen])
    }

    fn serve_with(&self, arguments: &[&str]) -> Page {
        let mut child = command(&self.catalog(), arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line =
            lines.find_map(|line| Some(line.unwrap()).filter(|line| line.contains(" is at ")));
        let at = line.unwrap().rsplit_once(" is at ").unwrap().1.to_owned();
        // Read to the end, so that the program never waits to write.
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in lines {
                let _ = sender.send(line.unwrap_or_default());
            }
        });
        Page { child, at, log }
    }
}

fn command(catalog: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_galmorph-page"));
    command.arg("--catalog").arg(catalog).args(arguments);
    command.env("GALMORPH_LOG", "debug");
    command
}

struct Page {
    child: Child,
    at: String,
    /// What it logs, line by line.
    log: Receiver<String>,
}

impl Page {
    /// The status and the whole answer.
    fn ask(&self, request: &str, more: &str, body: &str) -> (u16, String) {
        let socket = self.at.strip_prefix("unix:");
        let host = self.at.strip_prefix("http://").unwrap_or("localhost");
        let mut stream: Box<dyn ReadWrite> = match socket {
            Some(path) => Box::new(UnixStream::connect(path).unwrap()),
            None => Box::new(TcpStream::connect(host).unwrap()),
        };
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        (answer[9..12].parse().unwrap(), answer)
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path}"), "", "")
    }

    fn end(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

#[test]
fn every_view_shows_the_galaxy_and_names_are_text() {
    let dir = Dir::new();
    let page = dir.serve("127.0.0.1:0");
    for path in [
        "/",
        "/galaxies?label=spiral",
        "/galaxy/1",
        "/rejected",
        "/review",
        "/estimates",
    ] {
        let (status, answer) = page.get(path);
        assert_eq!(status, 200, "{path}: {answer}");
        assert!(answer.contains("content-security-policy: default-src 'none'"));
        assert!(
            !answer.contains("<b>.png") && !answer.contains("a <b>"),
            "{path}"
        );
    }
    // A spiral, which would be a cigar if those were not so rare where the model was trained.
    let (_, galaxy) = page.get("/galaxy/1");
    let equally = galaxy.split_once("If all classes were equally common");
    let cigar = equally
        .and_then(|(_, rest)| rest.split_once("</dd>"))
        .unwrap()
        .0;
    assert!(
        cigar.contains("cigar") && !cigar.contains("spiral"),
        "{cigar}"
    );
    assert!(page.get("/galaxies").1.contains("a &lt;b&gt;"));
    assert!(
        page.get("/galaxies?label=round")
            .1
            .contains("No galaxy fits")
    );
    assert_eq!(page.get("/galaxies?label=elliptical").0, 400);
    for path in [
        "/galaxy/2",
        "/galaxy/x",
        "/galaxy/-1",
        "/nothing",
        "/../galaxies",
    ] {
        assert_eq!(page.get(path).0, 404, "{path}");
    }
    let (status, answer) = page.get("/download?format=csv&label=spiral");
    assert!(status == 200 && answer.contains("attachment; filename=\"galaxies.csv\""));
    assert_eq!(answer.split("\r\n\r\n").nth(1).unwrap().lines().count(), 2);
    assert_eq!(page.end(), Some(0), "SIGTERM ends it well");
}

/// What the overview says of nights: the text of its table, a row a line.
fn nights(page: &Page) -> Option<Vec<String>> {
    let (_, overview) = page.get("/");
    let (_, section) = overview.split_once("<h2>Nights</h2>")?;
    let (table, _) = section.split_once("</tbody>")?;
    let (_, rows) = table.split_once("<tbody>")?;
    let text = |row: &str| {
        let pieces = row.split('<').filter_map(|piece| piece.split_once('>'));
        let cells: Vec<&str> = pieces
            .map(|(_, text)| text)
            .filter(|text| !text.is_empty())
            .collect();
        cells.join(" | ")
    };
    Some(
        rows.split("</tr>")
            .map(text)
            .filter(|row| !row.is_empty())
            .collect(),
    )
}

#[test]
fn the_overview_says_which_of_the_last_nights_look_like_another_cameras() {
    // The overview is kept for a while, so each question has a page of its own.
    let dir = Dir::new();
    assert_eq!(nights(&dir.serve("127.0.0.1:0")), None);
    for (name, files, rank) in [("few", 19, 0.9), ("other", 30, 0.9), ("same", 40, 0.5)] {
        let model = ModelInUse {
            name: name.into(),
            card: format!(
                r#"{{"name":"{name}","residual":{{"confidence":0.5,"threshold":0.65}}}}"#
            ),
            ..Row::new().model
        };
        let mut writer = Writer::open(&dir.catalog(), &model).unwrap();
        let entries = (0..files).map(|number| {
            let path = PathBuf::from(format!("/{name}/{number}"));
            Entry {
                digest: Some(blake3::hash(path.as_os_str().as_encoded_bytes())),
                rendering: Some("paper".into()),
                camera: Some(rank),
                verdict: Verdict::Classified(Row::new().answer),
                ..Entry::blank(
                    path,
                    Stamp {
                        bytes: 1,
                        modified: Timestamp::UNIX_EPOCH,
                    },
                    Identity::named(name.into()),
                    Timestamp::now(),
                )
            }
        });
        writer.record(&entries.collect::<Vec<Entry>>()).unwrap();
    }
    let page = dir.serve("127.0.0.1:0");
    let mut found = nights(&page).unwrap();
    // It may be noon just now: what is behind the date is in the order of the models.
    found.sort_by_key(|row| row[10..].to_owned());
    let rows: Vec<&str> = found.iter().map(|row| &row[10..]).collect();
    assert_eq!(
        rows,
        [
            " | few | 19 | 0.90 | can't be said",
            " | m | 1 | can't be said",
            " | other | 30 | 0.90 | looks like another one",
            " | same | 40 | 0.50 | no sign of another one",
        ]
    );
}

#[test]
fn a_picture_is_shown_while_its_file_is_the_one_that_was_classified() {
    let dir = Dir::new();
    let page = dir.serve("127.0.0.1:0");
    for path in ["/thumbnail/1", "/image/1", "/views/1"] {
        let (status, answer) = page.get(path);
        assert_eq!(status, 200, "{path}");
        assert!(answer.contains("content-type: image/"));
        let tag = answer
            .lines()
            .find_map(|line| line.strip_prefix("etag: "))
            .unwrap();
        let known = page.ask(
            &format!("GET {path}"),
            &format!("If-None-Match: {tag}\r\n"),
            "",
        );
        assert_eq!(known.0, 304);
    }
    let kept = fs::read(dir.image()).unwrap();
    let time = dir.image().metadata().unwrap().modified().unwrap();
    // Another content with the same size and time.
    let mut other = kept.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(dir.image(), &other).unwrap();
    fs::File::options()
        .write(true)
        .open(dir.image())
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert_eq!(page.get("/image/1").0, 409);
    fs::remove_file(dir.image()).unwrap();
    assert_eq!(page.get("/image/1").0, 404);
    std::os::unix::fs::symlink("/etc/passwd", dir.image()).unwrap();
    assert_eq!(page.get("/image/1").0, 409);
}

#[test]
fn a_review_is_written_by_a_form_of_the_page_alone() {
    let dir = Dir::new();
    let page = dir.serve("127.0.0.1:0");
    let body = format!("id=1&digest={}&word=edge_on&queue=random", dir.digest());
    let form =
        "Content-Type: application/x-www-form-urlencoded\r\nCookie: galmorph-reviewer=Ana\r\n";
    let own = format!("{form}Origin: {}\r\n", page.at);
    assert_eq!(page.ask("POST /review", form, &body).0, 403);
    let foreign = format!("{form}Origin: http://evil.example.org\r\n");
    assert_eq!(page.ask("POST /review", &foreign, &body).0, 403);
    let (status, answer) = page.ask("POST /review", &own, &body);
    assert_eq!(status, 303, "{answer}");
    assert!(
        answer.contains("location: /review?queue=random&undo=1."),
        "{answer}"
    );
    let words = Reader::open(&dir.catalog())
        .unwrap()
        .reviews(&dir.digest())
        .unwrap();
    assert_eq!(words.len(), 1);
    assert_eq!(words[0].reviewer, "Ana");
    assert_eq!(
        words[0].judgement,
        Some(Judgement::Class(Morphology::EdgeOn))
    );
    let other = body.replace(&dir.digest().to_string(), &"0".repeat(64));
    assert_eq!(page.ask("POST /review", &own, &other).0, 409);
    assert!(page.get("/estimates?reviewer=Ana").1.contains("0 of 1"));
}

#[test]
fn a_socket_serves_the_page_too_and_is_taken_away() {
    let dir = Dir::new();
    let socket = dir.0.path().join("page.sock");
    let page = dir.serve(&format!("unix:{}", socket.to_str().unwrap()));
    assert_eq!(page.get("/galaxies").0, 200);
    assert_eq!(page.end(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn the_exit_code_says_what_is_wrong() {
    let dir = Dir::new();
    let code = |catalog: &Path, arguments: &[&str]| {
        let mut command = command(catalog, arguments);
        command.output().unwrap().status.code()
    };
    let none = dir.0.path().join("none.sqlite");
    assert_eq!(code(&none, &["--listen", "127.0.0.1:0"]), Some(3));
    assert!(!none.exists());
    assert_eq!(code(&dir.catalog(), &["--listen", "0.0.0.0:0"]), Some(2));
    assert_eq!(code(&dir.catalog(), &["--base-path", "x"]), Some(2));
    let file = dir.0.path().join("alone.html");
    let export = [
        "--export",
        file.to_str().unwrap(),
        "--select",
        "label=spiral",
    ];
    assert_eq!(code(&dir.catalog(), &export), Some(0));
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("data:image/jpeg;base64,") && !written.contains("http://"));
    assert_eq!(
        code(&dir.catalog(), &export),
        Some(2),
        "it replaces nothing"
    );
    let before = fs::read(dir.image()).unwrap();
    let image = ["--export", dir.image().to_str().unwrap(), "--force"].map(str::to_owned);
    let image: Vec<&str> = image.iter().map(String::as_str).collect();
    assert_eq!(code(&dir.catalog(), &image), Some(2), "it reads the image");
    assert_eq!(fs::read(dir.image()).unwrap(), before);
    let wrong = ["--export", "-", "--select", "lable=spiral"];
    assert_eq!(code(&dir.catalog(), &wrong), Some(2));
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
