//! What the pages say that no flag knows: descriptions, examples, files, the environment. A command without an entry in [`of`] has
//! no page, and the pages can't be made.

use crate::Result;
use crate::command::{Named, Notes};

/// The exit codes; what 1 means is each command's own.
pub(crate) const EXIT_STATUS: [(&str, &str); 6] = [
    ("0", "All is well."),
    ("1", ""),
    (
        "2",
        "The command line is wrong, or the output could not be written.",
    ),
    ("3", "A catalog, a model or a server can't be used."),
    (
        "70",
        "A fault of galmorph-fleet itself, or of the system. Please report it, with what was printed.",
    ),
    (
        "75",
        "A disk is full, a catalog is locked, or a server is away. Try again.",
    ),
];

const DATABASE: Named = Named {
    name: "GALMORPH_FLEET_DATABASE",
    meaning: "The PostgreSQL database, where `--to` doesn't name it.",
};
const STREAM: Named = Named {
    name: "GALMORPH_FLEET_STREAM",
    meaning: "The Redis or Valkey server, where `--stream` doesn't name it.",
};
const LOG: Named = Named {
    name: "GALMORPH_LOG",
    meaning: "Which log lines go to standard error, where neither `--verbose` nor `--quiet` is given: a level (error, \
              warn, info, debug, trace), or levels by module as in `galmorph_fleet=debug,warn`.",
};
const SETTINGS: Named = Named {
    name: "/etc/galmorph/fleet.conf",
    meaning: "The settings of the services galmorph-ship, galmorph-feed and galmorph-work, which are off until they are \
              enabled.",
};
const PLAN_FILE: Named = Named {
    name: "PLAN/plan.json, PLAN/shard-00000",
    meaning: "The plan, and the files of each shard.",
};
const PART: Named = Named {
    name: "PLAN/parts/part-00000.sqlite",
    meaning: "The answers of a shard: a catalog, which appears when it is whole.",
};
const GUIDE: Named = Named {
    name: "/usr/share/doc/galmorph-fleet/fleet.md",
    meaning: "The guide: which step needs what, sizes, upgrades, what was tried.",
};

const SERVERS: &[Named] = &[DATABASE, STREAM, LOG];
const ONE_SERVER: &[Named] = &[DATABASE, LOG];

const SEE_ALSO: &[(&str, u8)] = &[
    ("galmorph", 1),
    ("galmorph-fleet", 1),
    ("galmorph-fleet-feed", 1),
    ("galmorph-fleet-merge", 1),
    ("galmorph-fleet-model", 1),
    ("galmorph-fleet-plan", 1),
    ("galmorph-fleet-retain", 1),
    ("galmorph-fleet-run", 1),
    ("galmorph-fleet-schema", 1),
    ("galmorph-fleet-ship", 1),
    ("galmorph-fleet-status", 1),
    ("galmorph-fleet-work", 1),
    ("galmorph-catalog", 5),
];

/// What is known of a command, by its name.
pub(crate) fn of(command: &str) -> Result<&'static Notes> {
    Ok(match command {
        "galmorph-fleet" => &PROGRAM,
        "plan" => &PLAN,
        "run" => &RUN,
        "merge" => &MERGE,
        "ship" => &SHIP,
        "feed" => &FEED,
        "work" => &WORK,
        "status" => &STATUS,
        "model" => &MODEL,
        "schema" => &SCHEMA,
        "retain" => &RETAIN,
        other => {
            return Err(
                format!("no notes on galmorph-fleet {other} in fleet/examples/pages").into(),
            );
        }
    })
}

const PROGRAM: Notes = Notes {
    description: &[
        "galmorph-fleet is for those who have more than one machine, or an archive that is too much for one. Each of its three \
         steps is useful alone.",
        "An archive: `plan` divides it into shards, an array of jobs runs `run` on each, and `merge` counts and puts the parts \
         together. One catalog: `ship` copies what changes in the catalog of each machine to PostgreSQL. A shared stream: \
         `feed` adds files to a stream of Redis or Valkey, any number of `work` answer them into PostgreSQL, and \
         `status` says how far they are.",
    ],
    some_rejected: Some("Something is missing, or could not be read; each command says what."),
    examples: &[
        (
            "An archive, on one machine:",
            "galmorph-fleet plan /data/archive --shards 8 --out plan\n\
             seq 0 7 | xargs -n 1 galmorph-fleet run plan\n\
             galmorph-fleet merge plan --out archive.sqlite",
        ),
        (
            "The catalog of this machine to PostgreSQL, as a service (settings first):",
            "systemctl enable --now galmorph-ship",
        ),
    ],
    files: &[SETTINGS, GUIDE],
    environment: SERVERS,
    see_also: SEE_ALSO,
};

const PLAN: Notes = Notes {
    description: &[
        "Looks at every file below the folders, or takes those of a list or a table, and writes a folder PLAN: the list of each \
         shard, and scripts for Slurm, HTCondor and Kubernetes. Shards are made by the digest of a file's path, or by \
         position. The same files make the same plan.",
    ],
    some_rejected: Some("There are no files."),
    examples: &[(
        "A hundred shards of an archive, and an array of Slurm:",
        "galmorph-fleet plan /data/archive --shards 100 --out plan\nsbatch plan/run.sbatch",
    )],
    files: &[PLAN_FILE, GUIDE],
    environment: &[LOG],
    see_also: SEE_ALSO,
};

const RUN: Notes = Notes {
    description: &[
        "Answers the files of a shard, and makes its part. Every machine makes the same bytes, so a shard may be run as often as \
         you like, and by several at once. One that was killed is gone on with, by whatever machine.",
    ],
    some_rejected: Some("Some files could not be read. The part says which."),
    examples: &[(
        "Four shards at a time, without a scheduler:",
        "seq 0 99 | xargs -P 4 -n 1 galmorph-fleet run plan",
    )],
    files: &[PLAN_FILE, PART],
    environment: &[LOG],
    see_also: SEE_ALSO,
};

const MERGE: Notes = Notes {
    description: &[
        "Of a plan: counts whether each file is in exactly one state, names what is missing, and makes one catalog or table of the \
         parts. Of catalogs: makes one of them.",
    ],
    some_rejected: Some("Files of the plan are missing, or could not be read."),
    examples: &[
        (
            "What is missing, and a plan of it:",
            "galmorph-fleet merge --check plan --missing missing.txt\n\
             galmorph-fleet plan --list missing.txt --shards 1 --out rest",
        ),
        (
            "The catalogs of two machines:",
            "galmorph-fleet merge north=north.sqlite south=south.sqlite --out both.sqlite",
        ),
    ],
    files: &[PLAN_FILE, PART],
    environment: &[LOG],
    see_also: SEE_ALSO,
};

const SHIP: Notes = Notes {
    description: &[
        "Follows the catalog of this machine, which `galmorph watch` writes, and copies what changes to PostgreSQL: files, answers, \
         positions and reviews. A server that is away is waited for. It may be killed at any time: how far it is \
         stands in the server, written in the transaction that writes the rows.",
        "One at a time ships for a site. The one that started last does, and the other ends with status 3.",
    ],
    some_rejected: None,
    examples: &[
        (
            "Follow a catalog:",
            "galmorph-fleet ship --catalog /var/lib/galmorph/galmorph.sqlite --site north \\\n\
             \x20   --to 'postgresql://north@db/galmorph?sslmode=require' --password-file /etc/galmorph/password",
        ),
        ("As a service:", "systemctl enable --now galmorph-ship"),
    ],
    files: &[SETTINGS],
    environment: ONE_SERVER,
    see_also: SEE_ALSO,
};

const FEED: Notes = Notes {
    description: &[
        "Looks at every file below the folders, and adds to the stream what PostgreSQL has no row for: files that are new or have \
         changed, and all that a lost stream had. What is on the stream already is not added again.",
        "With `--watch` it goes on until SIGTERM or SIGINT.",
    ],
    some_rejected: None,
    examples: &[(
        "Feed what is there, and look again each minute:",
        "galmorph-fleet feed /data/cutouts --site survey --watch 60 --stream redis://queue:6379 \\\n\
         \x20   --to postgresql://north@db/galmorph",
    )],
    files: &[SETTINGS],
    environment: SERVERS,
    see_also: SEE_ALSO,
};

const WORK: Notes = Notes {
    description: &[
        "Takes files of a stream, answers them, writes their rows to PostgreSQL, and then takes them off the stream. Any number of \
         workers, on any machines that reach the files, share one stream. What a worker held that is gone, others take over. A file \
         that ends its worker each time gets a row that says so after five deliveries.",
        "SIGTERM and SIGINT let it finish what it holds, a second or two. It may be killed at any time.",
    ],
    some_rejected: None,
    examples: &[
        (
            "A worker that knows the folder by another name:",
            "galmorph-fleet work /data/cutouts=/mnt/cutouts --site survey --stream redis://queue:6379 \\\n\
             \x20   --to postgresql://north@db/galmorph",
        ),
        ("As a service:", "systemctl enable --now galmorph-work"),
    ],
    files: &[SETTINGS],
    environment: SERVERS,
    see_also: SEE_ALSO,
};

const STATUS: Notes = Notes {
    description: &[
        "Says how many files were fed, and what became of them, and what each feeder and worker does. Each file that was fed is \
         answered, rejected, or still on the stream; the rest is unaccounted for.",
    ],
    some_rejected: Some("Files are unaccounted for."),
    examples: &[(
        "Each minute for Prometheus, by the textfile collector of its node exporter:",
        "galmorph-fleet status --site survey --format prometheus --out /var/lib/node_exporter/galmorph.prom",
    )],
    files: &[GUIDE],
    environment: SERVERS,
    see_also: SEE_ALSO,
};

const MODEL: Notes = Notes {
    description: &[
        "Says which models have answered the files of a stream, and which is in use. With `--feed` and `--use`, another one is \
         rolled out: workers with it answer beside those that go on, and then the views show its answers in one step. The \
         earlier answers are kept; the same command goes back to them.",
        "`--use` may be interrupted: the views are right at any moment. It ends with 75 then, and the same command goes on.",
    ],
    some_rejected: None,
    examples: &[(
        "Roll out a model:",
        "galmorph-fleet work /data/cutouts --site survey --beside --model newer.onnx &\n\
         galmorph-fleet model --site survey\n\
         galmorph-fleet model --site survey --feed 2\n\
         galmorph-fleet model --site survey --use 2",
    )],
    files: &[GUIDE],
    environment: SERVERS,
    see_also: SEE_ALSO,
};

const SCHEMA: Notes = Notes {
    description: &[
        "Makes the tables, views and roles of the PostgreSQL catalog, or brings those of an earlier version up to date. Run it once, \
         and after each upgrade, as the owner of the database. What is there stays.",
    ],
    some_rejected: None,
    examples: &[(
        "A new catalog:",
        "createdb galmorph\ngalmorph-fleet schema --to postgresql://owner@db/galmorph",
    )],
    files: &[GUIDE],
    environment: ONE_SERVER,
    see_also: SEE_ALSO,
};

const RETAIN: Notes = Notes {
    description: &[
        "Drops the months before the last ones from the PostgreSQL catalog. `ship` doesn't bring them back. The catalogs of the machines \
         keep their rows.",
    ],
    some_rejected: None,
    examples: &[(
        "Keep a year:",
        "galmorph-fleet retain --months 12 --to postgresql://owner@db/galmorph",
    )],
    files: &[GUIDE],
    environment: ONE_SERVER,
    see_also: SEE_ALSO,
};
