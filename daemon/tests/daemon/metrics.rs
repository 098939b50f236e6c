//! What a collector of metrics is told.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::support::{Dir, jpeg, wait_until};

/// The value of each sample, by its name and labels.
pub(crate) type Samples = HashMap<String, f64>;

fn ask(mut connection: impl Read + Write) -> Samples {
    connection
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let page = page.strip_suffix("# EOF\n").unwrap();
    page.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

pub(crate) fn ask_socket(path: &Path) -> Samples {
    ask(UnixStream::connect(path).unwrap())
}

/// The sum of all samples of a family.
fn sum(samples: &Samples, family: &str) -> f64 {
    let of_family = |name: &str| name.split('{').next() == Some(family);
    samples
        .iter()
        .filter(|(name, _)| of_family(name))
        .map(|(_, value)| value)
        .sum()
}

#[test]
fn the_numbers_are_those_of_the_catalog() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.old_file("same.jpg", &jpeg(1));
    dir.old_file("broken.jpg", b"no image");
    let socket = dir.path("metrics.sock");
    let daemon = dir.daemon(&["--metrics", "unix:metrics.sock"]);
    fs::write(dir.inbox("b.jpg"), jpeg(2)).unwrap();
    wait_until("all have their rows", || dir.count("cutout") == 4);

    // The row is committed before it is counted.
    let recorded = |samples: &Samples| {
        sum(samples, "galmorph_files_classified_total")
            + sum(samples, "galmorph_files_known_total")
            + sum(samples, "galmorph_files_rejected_total")
    };
    wait_until("all are counted", || recorded(&ask_socket(&socket)) == 4.0);
    let samples = ask_socket(&socket);
    for class in ["round", "in_between", "cigar", "edge_on", "spiral"] {
        let name = format!("galmorph_files_classified_total{{class=\"{class}\"}}");
        let answers = dir.count(&format!("classification WHERE label = '{class}'"));
        assert_eq!(samples[&name], answers as f64, "{class}");
    }
    assert_eq!(samples["galmorph_files_known_total"], 1.0);
    assert_eq!(
        samples["galmorph_files_rejected_total{reason=\"not_an_image\"}"],
        1.0
    );
    // Only the one that was seen to arrive.
    assert_eq!(samples["galmorph_arrival_to_answer_seconds_count"], 1.0);
    // One for each content, or one for both.
    assert!((1.0..=2.0).contains(&samples["galmorph_network_runs_total"]));
    assert!(samples["galmorph_network_views_total"] >= 2.0);
    for stage in ["read", "decode", "preprocess", "classify", "record"] {
        let name = format!("galmorph_work_seconds_total{{stage=\"{stage}\"}}");
        assert!(samples[&name] > 0.0, "{stage}");
    }
    // The write-ahead log may be emptied between the two looks.
    wait_until("the catalog has the size that it has", || {
        let told = ask_socket(&socket)["galmorph_catalog_bytes{file=\"database\"}"];
        told == fs::metadata(dir.path("galmorph.sqlite")).unwrap().len() as f64
    });
    assert_eq!(samples["galmorph_healthy"], 1.0);
    assert!(samples["galmorph_scans_total"] >= 1.0);
    assert!(samples["process_resident_memory_bytes"] > 1e6);
    assert!(samples["process_cpu_seconds_total"] > 0.0);
    wait_until("nothing waits", || {
        sum(&ask_socket(&socket), "galmorph_files_waiting") == 0.0
    });
    daemon.end();
    assert!(!socket.exists(), "nobody listens any more");
}

#[test]
fn the_scan_of_a_new_folder_is_not_counted_as_a_full_one() {
    let dir = Dir::new();
    let config = dir.config("settle_seconds = 0.1\nrescan_interval_seconds = 3600");
    let socket = dir.path("metrics.sock");
    let config = config.to_str().unwrap();
    // Twice verbose, with the flag that every daemon has here.
    let mut daemon = dir.daemon(&["-v", "--metrics", "unix:metrics.sock", "--config", config]);
    let scans = || {
        let samples = ask_socket(&socket);
        let took = samples["galmorph_last_scan_seconds"];
        (samples["galmorph_scans_total"], took)
    };
    daemon.wait_for_line("] scan ends after");
    wait_until("the first scan is counted", || scans().0 == 1.0);
    let first = scans();
    fs::create_dir(dir.inbox("night")).unwrap();
    // At once, and again when the kernel has begun to report what happens in it.
    for _ in 0..2 {
        daemon.wait_for_line("scan of a new folder ends after");
    }
    fs::write(dir.inbox("night/a.jpg"), jpeg(1)).unwrap();
    wait_until("its file has a row", || dir.count("cutout") == 1);
    assert_eq!(scans(), first);
    daemon.end();
}

#[test]
fn a_reload_moves_the_socket_and_one_that_fails_leaves_it() {
    let dir = Dir::new();
    let (first, second) = (dir.path("first.sock"), dir.path("second.sock"));
    let config = dir.config("metrics = 'unix:first.sock'");
    let mut daemon = dir.daemon(&["--config", config.to_str().unwrap()]);
    let done = |socket: &Path| ask_socket(socket)["galmorph_reloads_total{outcome=\"done\"}"];
    assert_eq!(done(&first), 0.0);

    dir.config("metrics = 'unix:gone/away.sock'");
    daemon.signal("-HUP");
    daemon.wait_for_line("cannot give metrics at unix:gone/away.sock");
    let refused = "galmorph_reloads_total{outcome=\"refused\"}";
    assert_eq!(ask_socket(&first)[refused], 1.0);

    dir.config("metrics = 'unix:second.sock'");
    daemon.signal("-HUP");
    wait_until("it listens elsewhere", || {
        second.exists() && !first.exists()
    });
    wait_until("the reload is counted", || done(&second) == 1.0);

    dir.config("");
    daemon.signal("-HUP");
    wait_until("it listens no more", || !second.exists());
    daemon.end();
}

#[test]
fn what_can_not_be_listened_at_is_an_error_of_the_configuration() {
    let dir = Dir::new();
    fs::write(dir.path("file"), "mine").unwrap();
    let watch = |endpoint: &str| dir.run(&["watch", "inbox", "--drain", "--metrics", endpoint]);
    let ran = watch("unix:file").exits(2);
    assert!(
        ran.stderr.contains("cannot give metrics at unix:file"),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::read_to_string(dir.path("file")).unwrap(), "mine");
    let ran = watch("0.0.0.0:0").exits(2);
    assert!(
        ran.stderr.contains("can be reached from elsewhere"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_port_of_this_machine_will_do() {
    let dir = Dir::new();
    let mut daemon = dir.daemon(&["-v", "--metrics", "127.0.0.1:0"]);
    let line = daemon.wait_for_line("metrics at http://");
    let (_, address) = line.split_once("http://").unwrap();
    let address = address.split('/').next().unwrap();
    let samples = ask(TcpStream::connect(address).unwrap());
    assert_eq!(samples["galmorph_healthy"], 1.0);
    daemon.end();
}

#[test]
fn the_scan_of_a_folder_that_has_just_appeared_is_no_full_scan() {
    let dir = Dir::new();
    let config = dir.config("settle_seconds = 0.01\nrescan_interval_seconds = 3600");
    let config = config.to_str().unwrap();
    let daemon = dir.daemon(&["--metrics", "unix:metrics.sock", "--config", config]);
    let socket = dir.path("metrics.sock");
    wait_until("the first scan has ended", || {
        ask_socket(&socket)["galmorph_scans_total"] == 1.0
    });
    // Made aside, so that only scans can find what lies in them.
    for number in 0..30 {
        let folder = dir.path(format!("aside/{number}/deeper"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.jpg"), jpeg(number % 3)).unwrap();
        fs::rename(
            dir.path(format!("aside/{number}")),
            dir.inbox(number.to_string()),
        )
        .unwrap();
    }
    wait_until("all are found", || dir.count("cutout") == 30);
    assert_eq!(ask_socket(&socket)["galmorph_scans_total"], 1.0);
    daemon.end();
}
