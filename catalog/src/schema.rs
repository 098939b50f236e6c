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
//! The tables aren't `STRICT`: a reader's SQLite would have to be 3.37 for it, and long-lived
//! distributions have older ones (RHEL 9: 3.34).

use galmorph_cutout::Morphology;
use rusqlite::{Connection, Transaction};

/// "glmr": says that an SQLite file is a galmorph catalog.
pub(crate) const APPLICATION_ID: i32 = 0x676C_6D72;

/// The version that this program writes; `user_version` in the file.
pub(crate) const VERSION: i32 = 5;

/// What leads from each version to the next, beginning with an empty file.
const MIGRATIONS: [fn() -> String; VERSION as usize] =
    [version_1, version_2, version_3, version_4, version_5];

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
    let labels = Morphology::names()
        .map(|name| format!("'{name}'"))
        .join(", ");
    let long = Morphology::ALL.map(probability_of).join("UNION ALL\n");
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

CREATE VIEW probability AS
{long};
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

/// The view `catalog` asks for the model in use first, which the first version didn't know.
fn version_4() -> String {
    format!(
        "DROP VIEW IF EXISTS catalog;
CREATE VIEW catalog AS
{};
",
        wide("")
    )
}

/// Which files are left alone.
fn version_5() -> String {
    "
-- Names of files and folders that are left alone, a JSON array.
ALTER TABLE watch ADD COLUMN exclude TEXT NOT NULL DEFAULT '[]';
"
    .to_owned()
}

/// The wide form: each cutout with its newest answer, among those that `which` (a condition on
/// `newest`, a row of `classification`, beginning with AND) leaves; without one, its columns are NULL.
/// Content that was answered for once may be rejected later, under other limits: then it has no answer.
pub(crate) fn wide(which: &str) -> String {
    let columns = probability_columns()
        .map(|column| format!("classification.{column}"))
        .join(", ");
    format!(
        "SELECT cutout.path, cutout.object_id, cutout.ra, cutout.dec,
       classification.label, classification.confidence, {columns},
       model.name AS model, classification.classified_at
FROM cutout
LEFT JOIN classification ON classification.digest = cutout.digest
    AND cutout.state = 'classified'
    AND classification.model =
        (SELECT newest.model FROM classification AS newest
         WHERE newest.digest = cutout.digest {which}
         ORDER BY newest.model = (SELECT watch.model FROM watch) DESC, newest.model DESC
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
JOIN model ON model.id = classification.model
",
        before.join(" + ")
    )
}
