//! What the pages say that no flag knows: descriptions, examples, files, the environment.
//!
//! A command that has no entry here has no page, and the pages can't be made: a new command gets its entry
//! in [`of`].

use crate::Result;
use crate::command::{Named, Notes};

/// The exit codes; what 1 means is each command's own.
pub(crate) const EXIT_STATUS: [(&str, &str); 6] = [
    ("0", "All is well."),
    ("1", ""),
    (
        "2",
        "The command line or the configuration is wrong, or the output could not be written.",
    ),
    ("3", "The catalog or the model can't be used."),
    (
        "70",
        "A fault of galmorph itself. Please report it, with what was printed.",
    ),
    (
        "75",
        "The catalog could not be used just now (it stayed locked, or its disk is full), or it was replaced \
         while it was in use. Try again.",
    ),
];

const CATALOG: Named = Named {
    name: "galmorph.sqlite",
    meaning: "The catalog, where neither a flag nor the configuration names one: in systemd's state \
              directory, or in the current folder. While it is in use, `galmorph.sqlite-wal` and \
              `galmorph.sqlite-shm` beside it belong to it; `galmorph.sqlite.lock` says whether a \
              `galmorph watch` has it open.",
};
const SERVICE_CATALOG: Named = Named {
    name: "/var/lib/galmorph/galmorph.sqlite",
    meaning: "The catalog of the service that the package installs. Members of the group `galmorph` can \
              read it.",
};
const CONFIGURATION: Named = Named {
    name: "/etc/galmorph/galmorph.toml",
    meaning: "The configuration of the service; see galmorph.toml(5).",
};
const SPOOL: Named = Named {
    name: "/var/spool/galmorph",
    meaning: "The folder that the service watches until its configuration names others.",
};
const MODEL: Named = Named {
    name: "FILE.onnx",
    meaning: "A model that `galmorph-train export` wrote: an ONNX file that says of itself how it is to be \
              run. Without one, galmorph uses the model that is built into the program.",
};

const LOG: Named = Named {
    name: "GALMORPH_LOG",
    meaning: "Which log lines go to standard error, where neither `--verbose` nor `--quiet` is given: a level (error, \
              warn, info, debug, trace), or levels by module as in `galmorph=debug,warn`.",
};
const STATE: Named = Named {
    name: "STATE_DIRECTORY",
    meaning: "systemd's state directory, in which the catalog is looked for where no other is named.",
};
const COLOUR: Named = Named {
    name: "NO_COLOR",
    meaning: "If it is set and not empty, nothing is printed in colour.",
};
const BACKTRACE: Named = Named {
    name: "RUST_BACKTRACE",
    meaning: "If it is 1, a backtrace follows the message of an internal error.",
};
const NOTIFY: Named = Named {
    name: "NOTIFY_SOCKET, WATCHDOG_USEC, JOURNAL_STREAM",
    meaning: "Set by systemd: where the daemon says that it is ready and alive, and whether its log goes to \
              the journal, with fields.",
};

const READERS: &[Named] = &[CATALOG, SERVICE_CATALOG];
const PLAIN: &[Named] = &[LOG, BACKTRACE, COLOUR];
const STATEFUL: &[Named] = &[STATE, LOG, BACKTRACE, COLOUR];

/// What is known of a command, by its name.
pub(crate) fn of(command: &str) -> Result<&'static Notes> {
    Ok(match command {
        "galmorph" => &PROGRAM,
        "watch" => &WATCH,
        "classify" => &CLASSIFY,
        "query" => &QUERY,
        "export" => &EXPORT,
        "status" => &STATUS,
        "retry" => &RETRY,
        "backup" => &BACKUP,
        "views" => &VIEWS,
        "check" => &CHECK,
        other => return Err(format!("no notes on galmorph {other} in examples/pages").into()),
    })
}

const PROGRAM: Notes = Notes {
    description: &[
        "galmorph classifies images of galaxies (cutouts, JPEG, PNG or FITS) as they arrive in watched folders. \
         Each image goes through a convolutional network, that of Zhu et al. 2019, and its label and \
         probabilities go into a SQLite catalog. The classes are completely round, in-between and \
         cigar-shaped smooth galaxies, edge-on disks, and spirals.",
        "`galmorph watch` is the daemon. The other commands read its catalog, look after it, or work \
         without one. No command deletes or changes an image, and images are moved only where the \
         configuration asks for it.",
    ],
    some_rejected: Some("Some inputs were rejected; each command says which."),
    examples: &[
        (
            "Classify what is in a folder now, and look at the spirals:",
            "galmorph watch /data/cutouts --drain\ngalmorph query --label spiral",
        ),
        (
            "Ask the service that the package installs what it does:",
            "galmorph status --config /etc/galmorph/galmorph.toml",
        ),
    ],
    files: &[CATALOG, SERVICE_CATALOG, CONFIGURATION, SPOOL],
    environment: STATEFUL,
    see_also: &[
        ("galmorph-backup", 1),
        ("galmorph-check", 1),
        ("galmorph-classify", 1),
        ("galmorph-query", 1),
        ("galmorph-retry", 1),
        ("galmorph-status", 1),
        ("galmorph-views", 1),
        ("galmorph-watch", 1),
        ("galmorph-catalog", 5),
        ("galmorph.toml", 5),
    ],
};

const WATCH: Notes = Notes {
    description: &[
        "Watches folders with all their sub-folders, and classifies every image that is there and every \
         image that comes. Answers are rows of the catalog; an image that can't be classified has a row \
         with the reason. Content that was answered before is not classified again.",
        "The kernel's notifications make it quick. Regular scans make it complete: what arrived while it \
         was not running, or where no notifications come (NFS), is found by the next scan.",
        "Without `--drain` it runs until SIGTERM or SIGINT (Ctrl-C). It then records the answers that it \
         has, and ends with status 0. It can be killed at any time: a row is either committed or not there, \
         and what has none is found at the next start.",
        "SIGHUP has it read its configuration again. If there is a fault, the log says so and the old \
         settings stay. With `--drain`, SIGHUP ends it.",
        "One `galmorph watch` at a time can write to a catalog.",
    ],
    some_rejected: Some(
        "With `--drain`: everything was looked at, and some files were rejected or could not be read.",
    ),
    examples: &[
        (
            "Watch a folder until Ctrl-C:",
            "galmorph watch /data/cutouts --catalog night.sqlite",
        ),
        (
            "Classify what is there now, and end:",
            "galmorph watch /data/cutouts --drain",
        ),
        (
            "Watch a folder on NFS, where no notifications come, with a model of your own:",
            "galmorph watch /net/cutouts --poll --model first.onnx",
        ),
        (
            "Run with a configuration file, as the service does:",
            "galmorph watch --verbose --config /etc/galmorph/galmorph.toml",
        ),
    ],
    files: &[CATALOG, SERVICE_CATALOG, CONFIGURATION, SPOOL, MODEL],
    environment: &[STATE, LOG, BACKTRACE, COLOUR, NOTIFY],
    see_also: &[
        ("galmorph", 1),
        ("galmorph-check", 1),
        ("galmorph-query", 1),
        ("galmorph-retry", 1),
        ("galmorph-status", 1),
        ("galmorph-catalog", 5),
        ("galmorph.toml", 5),
        ("systemd.service", 5),
    ],
};

const CLASSIFY: Notes = Notes {
    description: &[
        "Classifies the files that are named and prints one row for each, in their order: path, label, \
         confidence, the probability of each class, and the model. There is no catalog, and nothing is \
         remembered.",
        "For a file that has no answer, the reason goes to standard error, and the others follow.",
    ],
    some_rejected: Some("Some of the files have no answer; standard error says why."),
    examples: &[
        (
            "Classify two images:",
            "galmorph classify ngc1300.jpg m51.png",
        ),
        (
            "Write a table for other programs:",
            "galmorph classify --format csv cutouts/*.jpg > answers.csv",
        ),
    ],
    files: &[MODEL],
    environment: PLAIN,
    see_also: &[
        ("galmorph", 1),
        ("galmorph-views", 1),
        ("galmorph-watch", 1),
    ],
};

const QUERY: Notes = Notes {
    description: &[
        "Prints rows of the catalog: those of classified files, each with the answer of the model in use, \
         or, with `--rejected`, the rejected files and why. Rows are in the order of their paths. \
         galmorph-catalog(5) explains the columns.",
        "It reads while `galmorph watch` writes. For other questions, the catalog is a SQLite file that any \
         program can read.",
    ],
    some_rejected: None,
    examples: &[
        (
            "Spirals of which the network is sure:",
            "galmorph query --label spiral --min-confidence 0.9",
        ),
        (
            "Everything, as a CSV file:",
            "galmorph query --format csv > galaxies.csv",
        ),
        (
            "Which files were rejected, and why:",
            "galmorph query --rejected",
        ),
        (
            "How many galaxies of each class, in SQL:",
            "sqlite3 galmorph.sqlite \"SELECT label, count(*) FROM catalog GROUP BY label\"",
        ),
    ],
    files: READERS,
    environment: STATEFUL,
    see_also: &[
        ("galmorph", 1),
        ("galmorph-retry", 1),
        ("galmorph-status", 1),
        ("sqlite3", 1),
        ("galmorph-catalog", 5),
    ],
};

const STATUS: Notes = Notes {
    description: &[
        "Says whether a `galmorph watch` is running, what it watches and with which model, how many files \
         are classified, rejected and waiting, the oldest file that waits, how many answers there were a \
         second, and the last warning or error in the log.",
        "It reads the catalog and looks at the folders. It asks the daemon nothing, so it also answers when \
         none is running. With millions of files in the folders, that takes seconds.",
        "With `--format json`, the fields are those that docs/operations.md lists, and their meaning \
         changes only together with the number in `format`.",
    ],
    some_rejected: None,
    examples: &[
        (
            "What the service does:",
            "galmorph status --config /etc/galmorph/galmorph.toml",
        ),
        (
            "How many files wait, for a script:",
            "galmorph status --format json | jq .files.waiting",
        ),
    ],
    files: READERS,
    environment: STATEFUL,
    see_also: &[
        ("galmorph", 1),
        ("galmorph-check", 1),
        ("galmorph-query", 1),
        ("galmorph-watch", 1),
    ],
};

const RETRY: Notes = Notes {
    description: &[
        "Queues rejected files for another attempt: all of them, or those that were rejected \
         for some reason, or those below some paths. A rejected file stays rejected until its content \
         changes; this is for when the limits or the model have changed instead.",
        "A `galmorph watch` that is running takes the files at once; otherwise the next one does. A file \
         keeps its row and its reason until it has its new answer. A file that was moved to a folder \
         `rejected` is read there, and goes to `done` with an answer. Files that are gone, or that no \
         watched folder takes, are named and not tried.",
        "The reasons: `not_an_image` (neither JPEG nor PNG nor FITS), `broken` (damaged or cut off), \
         `unsupported` (of a kind that is not read), `missing_bands` (a FITS image without the bands that the \
         stretch needs), `blank` (of one colour), `too_large` and `too_small` (see \
         max_bytes, max_side, max_pixels and min_side \
         in galmorph.toml(5)), `preprocessing`, `inference` and `no_answer` (the preprocessing or the \
         network failed on this image).",
    ],
    some_rejected: None,
    examples: &[
        (
            "After max_side was raised in the configuration:",
            "systemctl reload galmorph\n\
             galmorph retry --reason too_large --config /etc/galmorph/galmorph.toml",
        ),
        (
            "All that was rejected in one night:",
            "galmorph retry /data/cutouts/night-3",
        ),
    ],
    files: READERS,
    environment: STATEFUL,
    see_also: &[
        ("galmorph", 1),
        ("galmorph-query", 1),
        ("galmorph-watch", 1),
        ("galmorph.toml", 5),
    ],
};

const EXPORT: Notes = Notes {
    description: &[
        "Writes rows of the catalog to a file that other tools open: CSV, ECSV, JSON lines, VOTable, FITS or \
         Parquet, as the ending of FILE says. The rows are those of galmorph-query(1), and the same flags choose \
         them. Formats with a place for it also carry the unit and the UCD of each column, and where the rows come \
         from. The file appears when it is complete.",
        "It reads while `galmorph watch` writes. A FITS table first goes to a temporary file, because its header \
         says how many rows there are.",
    ],
    some_rejected: None,
    examples: &[
        (
            "Spirals of which the network is sure, for TOPCAT:",
            "galmorph export spirals.fits --label spiral --min-confidence 0.9",
        ),
        (
            "Everything, compressed:",
            "galmorph export - --format votable | gzip > night.vot.gz",
        ),
    ],
    files: &[
        CATALOG,
        SERVICE_CATALOG,
        Named {
            name: ".galmorph-export-*",
            meaning: "What an export that was killed leaves beside FILE. It can be deleted.",
        },
    ],
    environment: STATEFUL,
    see_also: &[
        ("galmorph", 1),
        ("galmorph-query", 1),
        ("galmorph-catalog", 5),
    ],
};

const BACKUP: Notes = Notes {
    description: &[
        "Copies the catalog as it is at one moment, while `galmorph watch` goes on writing. The copy is one \
         SQLite file. It is checked and synced to the disk before it gets its name, so a file of that name \
         is whole. Of a link, `--force` replaces the file that it leads to. What is no regular file is never \
         replaced. `-` is standard output.",
        "Do not copy a catalog in use with `cp`: what is in its write-ahead log would be missing. To \
         restore a copy, stop the daemon, move the catalog and its `-wal` and `-shm` files away, and put \
         the copy in the catalog's place.",
    ],
    some_rejected: None,
    examples: &[(
        "A copy for each day:",
        "galmorph backup /backup/galmorph-$(date -I).sqlite \\\n\
         \x20   --catalog /var/lib/galmorph/galmorph.sqlite",
    )],
    files: &[
        CATALOG,
        SERVICE_CATALOG,
        Named {
            name: ".galmorph-backup-*",
            meaning: "What a backup that was killed leaves beside FILE. It can be deleted.",
        },
    ],
    environment: STATEFUL,
    see_also: &[
        ("galmorph", 1),
        ("galmorph-check", 1),
        ("galmorph-catalog", 5),
    ],
};

const VIEWS: Notes = Notes {
    description: &[
        "Writes what the network sees of an image: the image cropped to each test scale, resized and \
         whitened. The output of `--npy` is a NumPy array of 32-bit floats, with the axes scale, channel, row and \
         column. It is for those who want to check the preprocessing, or run the model, with programs of \
         their own. The output of `--png` is a picture of the same views before they are whitened, to be \
         looked at: of a FITS image, it shows what the stretch made of it.",
        "An existing OUT is replaced with `--force` only; of a link, the file that it leads to. What is no \
         regular file, and the image itself, are never replaced. `-` is standard output.",
    ],
    some_rejected: Some("The image could not be read; standard error says why."),
    examples: &[
        (
            "Look at the views with Python:",
            "galmorph views ngc1300.jpg --npy views.npy\n\
         python3 -c \"import numpy; print(numpy.load('views.npy').shape)\"",
        ),
        (
            "See a FITS cube as the network does, through another stretch than its own:",
            "galmorph views ngc1300.fits --stretch sdss --png views.png",
        ),
    ],
    files: &[MODEL],
    environment: PLAIN,
    see_also: &[("galmorph", 1), ("galmorph-classify", 1)],
};

const CHECK: Notes = Notes {
    description: &[
        "Looks at everything that a `galmorph watch` with the same arguments would need: the configuration, \
         the folders, the model and the catalog. It prints a line for what is as it should be, and a line \
         on standard error for every fault. It changes nothing, and can be run while the daemon runs.",
        "With `--deep` it also checks every page and every row of the catalog, and compares the catalog \
         with the folders. That takes time: it looks at every file.",
    ],
    some_rejected: Some(
        "With `--deep`: there are files without an answer for what they contain now.",
    ),
    examples: &[
        (
            "Before a reload of the service:",
            "galmorph check --config /etc/galmorph/galmorph.toml",
        ),
        (
            "What a model says of itself:",
            "galmorph check --model first.onnx /data/cutouts",
        ),
        (
            "After a backup was restored:",
            "galmorph check --deep /data/cutouts --catalog galmorph.sqlite",
        ),
    ],
    files: &[CATALOG, SERVICE_CATALOG, CONFIGURATION, MODEL],
    environment: STATEFUL,
    see_also: &[
        ("galmorph", 1),
        ("galmorph-status", 1),
        ("galmorph-watch", 1),
        ("galmorph-catalog", 5),
        ("galmorph.toml", 5),
    ],
};

#[cfg(test)]
mod tests {
    use super::RETRY;
    use galmorph_cutout::RejectReason;

    #[test]
    fn every_reason_is_explained_in_the_manual_of_retry_and_in_the_documentation() {
        let manual = RETRY.description.concat();
        let documentation = include_str!("../../../docs/operations.md");
        let (_, table) = documentation.split_once("| reason | meaning |").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        for reason in RejectReason::ALL {
            let name = format!("`{reason}`");
            assert!(manual.contains(&name), "{name} is not in the manual");
            assert!(table.contains(&name), "{name} is not in docs/operations.md");
        }
    }
}
