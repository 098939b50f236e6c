//! The catalog's tables and views, and the way from one version to the next.
//!
//! The views are an interface: observatory pipelines query them with tools of their own, so columns
//! may be added at the end in a later version and never change. The names of the classes come from
//! [`Morphology`], so the schema can't disagree with the network.
//!
//! The *newest* answer of the `catalog` view is that of the model in use: the one of the last
//! `galmorph watch`. Where that one has none, it is that of the model that this catalog met last (the
//! highest `model.id`). So who goes back to an earlier model, or has tried other test scales (another
//! model of the same file), sees what they saw before.
//!
//! A model may have answered for the same content more than once: framed in one way for one folder, and in
//! another way for another, or before a setting was changed. `rendering` tells these answers apart. The one that
//! a file's row names goes before all others.
//!
//! The tables aren't `STRICT`: a reader's SQLite would have to be 3.37 for it, and long-lived
//! distributions have older ones (RHEL 9: 3.34).

use galmorph_cutout::{FRAME_SIDE, Framing, Morphology};
use rusqlite::{Connection, Transaction};

/// "glmr": says that an SQLite file is a galmorph catalog.
pub(crate) const APPLICATION_ID: i32 = 0x676C_6D72;

/// The version that this program writes; `user_version` in the file.
pub(crate) const VERSION: i32 = 6;

/// What leads from each version to the next, beginning with an empty file.
const MIGRATIONS: [fn() -> String; VERSION as usize] = [
    version_1, version_2, version_3, version_4, version_5, version_6,
];

/// Brings a catalog of `version` up to date, in one transaction.
pub(crate) fn migrate(connection: &mut Connection, version: i32) -> rusqlite::Result<()> {
    let transaction: Transaction = connection.transaction()?;
    let version =
        usize::try_from(version).expect("a catalog's version was checked when it was opened");
    for step in &MIGRATIONS[version..] {
        transaction.execute_batch(&step())?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn version_1() -> String {
    let probabilities = probability_columns()
        .map(|column| format!("    {column} REAL NOT NULL,\n"))
        .concat();
    let labels = labels();
    format!(
        "CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    card TEXT NOT NULL,
    first_used TEXT NOT NULL,
    UNIQUE (digest, card)
);

-- digest is NULL for a file that was too large to be read.
CREATE TABLE cutout (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    digest TEXT,
    bytes INTEGER NOT NULL,
    modified TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    object_id TEXT NOT NULL,
    ra REAL,
    dec REAL,
    state TEXT NOT NULL CHECK (state IN ('classified', 'rejected')),
    reason TEXT,
    attempts INTEGER NOT NULL,
    first_seen TEXT NOT NULL,
    updated TEXT NOT NULL,
    CHECK ((state = 'rejected') = (reason IS NOT NULL))
);
CREATE INDEX cutout_by_digest ON cutout (digest);

CREATE TABLE classification (
    digest TEXT NOT NULL,
    model INTEGER NOT NULL REFERENCES model (id),
    label TEXT NOT NULL CHECK (label IN ({labels})),
    confidence REAL NOT NULL,
    entropy REAL NOT NULL,
{probabilities}    classified_at TEXT NOT NULL,
    PRIMARY KEY (digest, model)
) WITHOUT ROWID;
"
    )
}

/// What `status` and `retry` need.
fn version_2() -> String {
    "
-- When it was asked that a rejected file be tried again; NULL when it has its new verdict.
ALTER TABLE cutout ADD COLUMN retry TEXT;

CREATE INDEX cutout_rejected ON cutout (path) WHERE state = 'rejected';
CREATE INDEX classification_by_time ON classification (classified_at);

-- One row: what the last galmorph watch on this catalog watches, and the last fault that it met.
-- folders and extensions are JSON arrays, limits is an object; folders are written as cutout.path is.
CREATE TABLE watch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    model INTEGER NOT NULL REFERENCES model (id),
    folders TEXT NOT NULL,
    extensions TEXT NOT NULL,
    limits TEXT NOT NULL,
    error TEXT,
    error_at TEXT
);
"
    .to_owned()
}

/// What is needed to know which files wait, and to move those that don't.
fn version_3() -> String {
    "
-- Where the file is about to be moved; NULL when it is where path says.
ALTER TABLE cutout ADD COLUMN move_to TEXT;

CREATE INDEX cutout_to_move ON cutout (path) WHERE move_to IS NOT NULL;
CREATE INDEX cutout_to_retry ON cutout (path) WHERE retry IS NOT NULL;

-- Whether files are taken that only another model has answered for; which of the folders move their
-- files, a JSON array; and whether links to files are taken.
ALTER TABLE watch ADD COLUMN reclassify INTEGER NOT NULL DEFAULT 1;
ALTER TABLE watch ADD COLUMN moving TEXT NOT NULL DEFAULT '[]';
ALTER TABLE watch ADD COLUMN follow_links INTEGER NOT NULL DEFAULT 0;
"
    .to_owned()
}

/// Versions 4 and 6 made the view `catalog` anew. Only the last one counts.
fn version_4() -> String {
    String::new()
}

/// Which files are left alone.
fn version_5() -> String {
    "
-- Names of files and folders that are left alone, a JSON array.
ALTER TABLE watch ADD COLUMN exclude TEXT NOT NULL DEFAULT '[]';
"
    .to_owned()
}

/// How an image was shown to the network. What was answered for before was framed as in the paper, always.
///
/// The key of a table can't be changed, so the answers are copied to a new one.
fn version_6() -> String {
    let probabilities = probability_columns().join(", ");
    let columns = probability_columns()
        .map(|column| format!("    {column} REAL NOT NULL,\n"))
        .concat();
    let labels = labels();
    format!(
        "
-- How the image is to be shown to the network: which answer for its content is this file's.
-- NULL for a file that was rejected before that was known.
ALTER TABLE cutout ADD COLUMN rendering TEXT;
-- Where ra and dec come from, and the object's radius in arcsec.
ALTER TABLE cutout ADD COLUMN position_from TEXT;
ALTER TABLE cutout ADD COLUMN radius REAL;
UPDATE cutout SET rendering = '{PAPER}' WHERE state = 'classified';

DROP VIEW IF EXISTS catalog;
DROP VIEW IF EXISTS probability;
ALTER TABLE classification RENAME TO classification_5;
CREATE TABLE classification (
    digest TEXT NOT NULL,
    model INTEGER NOT NULL REFERENCES model (id),
    rendering TEXT NOT NULL,
    label TEXT NOT NULL CHECK (label IN ({labels})),
    confidence REAL NOT NULL,
    entropy REAL NOT NULL,
{columns}    classified_at TEXT NOT NULL,
    framing TEXT,
    frame_x REAL,
    frame_y REAL,
    frame_side REAL,
    flags TEXT,
    stretch TEXT,
    PRIMARY KEY (digest, model, rendering)
) WITHOUT ROWID;
INSERT INTO classification (digest, model, rendering, label, confidence, entropy, {probabilities},
                            classified_at, framing, frame_x, frame_y, frame_side)
SELECT digest, model, '{PAPER}', label, confidence, entropy, {probabilities}, classified_at, '{PAPER}',
       (SELECT cutout.width / 2.0 FROM cutout WHERE cutout.digest = classification_5.digest LIMIT 1),
       (SELECT cutout.height / 2.0 FROM cutout WHERE cutout.digest = classification_5.digest LIMIT 1),
       {FRAME_SIDE}
FROM classification_5;
DROP TABLE classification_5;
CREATE INDEX classification_by_time ON classification (classified_at);
CREATE VIEW catalog AS
{wide};
CREATE VIEW probability AS
{long};

-- How the images of each folder are framed, a JSON object by the folder.
ALTER TABLE watch ADD COLUMN framing TEXT NOT NULL DEFAULT '{{}}';
",
        wide = wide(""),
        long = Morphology::ALL.map(probability_of).join("UNION ALL\n"),
    )
}

/// How every image was framed before there was a choice: the key of its plan, and its name.
const PAPER: &str = Framing::Paper.as_str();

/// The names of the classes as an SQL list.
fn labels() -> String {
    Morphology::names()
        .map(|name| format!("'{name}'"))
        .join(", ")
}

/// The wide form. SQLite 3.40, Debian 12's, takes no column from outside in an ORDER BY; hence the inner query.
///
/// Each cutout with its newest answer, among those that `which` (a condition on
/// `newest`, a row of `classification`, beginning with AND) leaves; without one, its columns are NULL.
/// Content that was answered for once may be rejected later, under other limits: then it has no answer.
pub(crate) fn wide(which: &str) -> String {
    let columns = probability_columns()
        .map(|column| format!("classification.{column}"))
        .join(", ");
    format!(
        "SELECT cutout.path, cutout.object_id, cutout.ra, cutout.dec,
       classification.label, classification.confidence, {columns},
       model.name AS model, classification.classified_at,
       classification.framing, classification.frame_x, classification.frame_y, classification.frame_side,
       classification.flags, cutout.position_from, cutout.radius, classification.stretch
FROM cutout
LEFT JOIN classification ON classification.digest = cutout.digest
    AND cutout.state = 'classified'
    AND (classification.model, classification.rendering) =
        (SELECT answer.model, answer.rendering
         FROM (SELECT newest.model, newest.rendering, newest.classified_at,
                      newest.rendering = cutout.rendering AS is_as_wanted
               FROM classification AS newest
               WHERE newest.digest = cutout.digest {which}) AS answer
         ORDER BY answer.is_as_wanted DESC,
                  answer.model = (SELECT watch.model FROM watch) DESC, answer.model DESC,
                  answer.classified_at DESC
         LIMIT 1)
LEFT JOIN model ON model.id = classification.model"
    )
}

/// The column of each class's probability, in the order of the ids.
pub fn probability_columns() -> [String; Morphology::COUNT] {
    Morphology::names().map(|name| format!("p_{name}"))
}

/// One class's rows of the long form. The ranking counts the classes that are more probable; of
/// equals, the one with the lower id goes first.
fn probability_of(class: Morphology) -> String {
    let name = class.name();
    let before: Vec<String> = Morphology::ALL
        .into_iter()
        .filter(|other| *other != class)
        .map(|other| {
            let comparison = if other < class { ">=" } else { ">" };
            format!("(p_{other} {comparison} p_{name})")
        })
        .collect();
    format!(
        "SELECT cutout.path, cutout.object_id, model.name AS model, '{name}' AS class_name,
       classification.p_{name} AS probability,
       1 + {} AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
    AND classification.rendering =
        (SELECT answer.rendering
         FROM (SELECT other.rendering, other.classified_at,
                      other.rendering = cutout.rendering AS is_as_wanted
               FROM classification AS other
               WHERE other.digest = cutout.digest AND other.model = classification.model) AS answer
         ORDER BY answer.is_as_wanted DESC, answer.classified_at DESC
         LIMIT 1)
JOIN model ON model.id = classification.model
",
        before.join(" + ")
    )
}
