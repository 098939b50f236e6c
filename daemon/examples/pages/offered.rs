//! What the shells offer.

use crate::completions::write;
use crate::scratch;
use galmorph_catalog::export::Format;
use galmorph_cutout::{Morphology, RejectReason};
use std::fs;
use std::process::Command as Process;

/// What bash offers after `words`, the last of which is being typed, in a folder with `cutout.jpg`
/// and `night/` in it.
fn offered(words: &[&str]) -> Vec<String> {
    let folder = scratch().unwrap();
    write(crate::program(), folder.path()).unwrap();
    let home = folder.path().join("home");
    fs::create_dir_all(home.join("night")).unwrap();
    fs::write(home.join("cutout.jpg"), "").unwrap();
    let script = format!(
        // Bash knows compopt only while it completes.
        "compopt() {{ case $* in *dirs*) COMPREPLY+=($(compgen -d -- \"$cur\"));; esac; }}
         source {}/galmorph.bash
         COMP_WORDS=({}) COMP_CWORD={}
         _galmorph galmorph \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        folder.path().to_str().unwrap(),
        words
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" "),
        words.len() - 1,
    );
    let ran = Process::new("bash")
        .args(["-c", &script])
        .current_dir(&home)
        .output()
        .unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(
        ran.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    text.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_shell_offers_the_values_that_an_argument_takes() {
    assert_eq!(
        offered(&["galmorph", "query", "--label", ""]),
        Morphology::names()
    );
    assert_eq!(offered(&["galmorph", "query", "--label", "s"]), ["spiral"]);
    let formats = Format::ALL.iter().map(|format| format.name());
    let formats: Vec<&str> = formats.chain(["labels"]).collect();
    assert_eq!(offered(&["galmorph", "export", "--format", ""]), formats);
    let reasons = RejectReason::ALL.iter().map(|reason| reason.as_str());
    let reasons: Vec<&str> = reasons.filter(|name| name.starts_with("too")).collect();
    assert_eq!(offered(&["galmorph", "retry", "--reason", "too"]), reasons);
    assert_eq!(
        offered(&["galmorph", "watch", "--early-stop", ""]),
        ["never", "settled"]
    );
}

#[test]
fn a_shell_offers_files_where_a_file_is_wanted() {
    assert_eq!(
        offered(&["galmorph", "watch", "--config", "c"]),
        ["cutout.jpg"]
    );
    assert_eq!(offered(&["galmorph", "query", "--limit", ""]), [""; 0]);
}
