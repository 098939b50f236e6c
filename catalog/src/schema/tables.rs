//! The tables and their indexes.

use galmorph_cutout::Morphology;

use crate::columns::{CLASSIFIED_AT, prior_columns, probability_columns};

/// The columns of `cutout` that say something of the file and of the object that it shows.
pub(crate) const FILE: [&str; 20] = [
    "id",
    "path",
    "object_id",
    "ra",
    "dec",
    "position_from",
    "radius",
    "healpix",
    "digest",
    "bytes",
    "modified",
    "width",
    "height",
    "reason",
    "message",
    "attempts",
    "first_seen",
    "updated",
    "retry",
    "move_to",
];

/// The columns of an answer, which `cutout` and `other_answer` both have.
pub(crate) fn answer_columns() -> Vec<String> {
    let before = ["label", "confidence"].map(str::to_owned);
    let after = [
        "entropy",
        "model",
        "rendering",
        "classified",
        "framing",
        "frame_x",
        "frame_y",
        "frame_side",
        "flags",
        "stretch",
        "program_version",
        "novelty",
        "prediction_set",
        "camera",
    ]
    .map(str::to_owned);
    before
        .into_iter()
        .chain(probability_columns())
        .chain(after)
        .collect()
}

/// The columns of an answer that every one of them has.
fn required() -> String {
    let probabilities = probability_columns().map(|column| format!("{column} IS NOT NULL"));
    format!(
        "confidence IS NOT NULL AND entropy IS NOT NULL AND model IS NOT NULL AND rendering IS NOT NULL
        AND classified IS NOT NULL AND digest IS NOT NULL AND {}",
        probabilities.join(" AND ")
    )
}

/// The tables of files and answers. `suffix` is put behind their names.
///
/// Times are milliseconds since 1970, UTC, and `modified` is nanoseconds (a text in a year that 64 bits of
/// them don't reach).
pub(crate) fn file_tables(suffix: &str) -> String {
    let labels = Morphology::names()
        .map(|name| format!("'{name}'"))
        .join(", ");
    let probabilities = probability_columns()
        .map(|column| format!("    {column} REAL,\n"))
        .concat();
    let answer = format!(
        "    label TEXT CHECK (label IN ({labels})),
    confidence REAL,
{probabilities}    entropy REAL,
    model INTEGER REFERENCES model (id),
    rendering TEXT,
    classified INTEGER,
    framing TEXT,
    frame_x REAL,
    frame_y REAL,
    frame_side REAL,
    flags TEXT,
    stretch TEXT,
    program_version TEXT,
    novelty REAL,
    prediction_set TEXT,
    camera REAL,
"
    );
    let required = required();
    format!(
        "-- A file: where it is, what it shows, and the answer for it or why it was rejected.
-- digest is the BLAKE3 digest of the content; NULL for a file that was too large to be read. rendering is how the
-- image is to be shown to the network, where that is known. retry is when it was asked that a rejected file be
-- tried again, and move_to is where the file is about to be moved.
CREATE TABLE cutout{suffix} (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    object_id TEXT NOT NULL,
    ra REAL,
    dec REAL,
{answer}    position_from TEXT,
    radius REAL,
    healpix INTEGER,
    digest BLOB,
    bytes INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    reason TEXT,
    message TEXT,
    attempts INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    retry INTEGER,
    move_to TEXT,
    state TEXT GENERATED ALWAYS AS (CASE WHEN label IS NULL THEN 'rejected' ELSE 'classified' END) VIRTUAL,
    CHECK ((label IS NULL) = (reason IS NOT NULL)),
    CHECK (label IS NULL OR ({required}))
);
-- The answers that a file of their content doesn't show.
CREATE TABLE other_answer{suffix} (
    digest BLOB NOT NULL,
{answer}    PRIMARY KEY (digest, model, rendering),
    CHECK (label IS NOT NULL AND {required})
) WITHOUT ROWID;
"
    )
}

/// The indexes of `cutout`, each with its name. A digest's first eight bytes find it as well as all of them.
pub(crate) fn indexes(suffix: &str) -> Vec<(&'static str, String)> {
    [
        ("cutout_path", "UNIQUE", "(path)", ""),
        (
            "cutout_digest",
            "",
            "(substr(digest, 1, 8))",
            "label IS NOT NULL",
        ),
        ("cutout_object", "", "(object_id)", ""),
        (
            "cutout_label",
            "",
            "(label, confidence, model)",
            "label IS NOT NULL",
        ),
        // SQLite goes by the class where both class and time are asked for.
        (
            "cutout_label_time",
            "",
            &*format!("(label, {CLASSIFIED_AT})"),
            "label IS NOT NULL",
        ),
        ("cutout_confidence", "", "(confidence)", "label IS NOT NULL"),
        (
            "cutout_time",
            "",
            &*format!("({CLASSIFIED_AT})"),
            "label IS NOT NULL",
        ),
        // Few images have flags.
        (
            "cutout_flags",
            "",
            "(flags)",
            "label IS NOT NULL AND flags > ''",
        ),
        ("cutout_healpix", "", "(healpix)", "healpix IS NOT NULL"),
        ("cutout_reason", "", "(path, reason)", "reason IS NOT NULL"),
        ("cutout_move", "", "(path)", "move_to IS NOT NULL"),
        ("cutout_retry", "", "(path)", "retry IS NOT NULL"),
    ]
    .into_iter()
    .map(|(name, unique, columns, condition)| {
        let filter = match condition {
            "" => String::new(),
            condition => format!(" WHERE {condition}"),
        };
        let definition =
            format!("CREATE {unique} INDEX {name} ON cutout{suffix} {columns}{filter}");
        (name, definition)
    })
    .collect()
}

/// The models.
pub(crate) fn model_table() -> String {
    let priors = prior_columns().map(|column| format!("    {column} REAL,\n"));
    format!(
        "-- The columns prior_* are the fractions of the classes in the images that the model was trained on, from its card.
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    card TEXT NOT NULL,
    first_used TEXT NOT NULL,
    arithmetic TEXT,
{}    UNIQUE (digest, card)
);
",
        priors.concat()
    )
}

/// The columns of `class_mix` that have the fraction of each class, and the ends of its interval.
pub(crate) fn fraction_columns() -> [[String; 3]; Morphology::COUNT] {
    Morphology::names().map(|name| {
        ["fraction", "fraction_low", "fraction_high"].map(|column| format!("{column}_{name}"))
    })
}

/// The class mixes that were estimated of a survey: one for a model's file and name, the last one. `estimated_at` is as the views
/// write times, and `selection` is the command that chose the galaxies.
pub(crate) fn class_mix_table() -> String {
    let fractions = fraction_columns().concat();
    let fractions = fractions
        .iter()
        .map(|column| format!("    {column} REAL NOT NULL,\n"));
    let fractions: String = fractions.collect();
    format!(
        "CREATE TABLE class_mix (
    model TEXT NOT NULL,
    model_digest TEXT NOT NULL,
    galaxies INTEGER NOT NULL,
    estimated_at TEXT NOT NULL,
    selection TEXT NOT NULL,
{fractions}    PRIMARY KEY (model_digest, model)
) WITHOUT ROWID;
"
    )
}

/// What is watched.
pub(crate) const WATCH: &str = "
-- One row: what the last galmorph watch on this catalog watches, and the last fault that it met.
-- folders, extensions, moving and exclude are JSON arrays, limits is an object, and so is framing, by the folder.
-- settling says that answers of the model in use are still being brought from other_answer to cutout.
CREATE TABLE watch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    model INTEGER NOT NULL REFERENCES model (id),
    folders TEXT NOT NULL,
    extensions TEXT NOT NULL,
    limits TEXT NOT NULL,
    error TEXT,
    error_at TEXT,
    reclassify INTEGER NOT NULL DEFAULT 1,
    moving TEXT NOT NULL DEFAULT '[]',
    follow_links INTEGER NOT NULL DEFAULT 0,
    exclude TEXT NOT NULL DEFAULT '[]',
    framing TEXT NOT NULL DEFAULT '{}',
    settling INTEGER NOT NULL DEFAULT 0
);
";

/// What people say of images: the newest row of a reviewer for a content counts, and nothing is overwritten. A
/// label is a class, or 'none' for none of them; NULL takes the reviewer's last word back.
pub(crate) const REVIEW: &str = "
CREATE TABLE review (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    reviewer TEXT NOT NULL,
    label TEXT,
    queue TEXT,
    note TEXT,
    reviewed INTEGER NOT NULL
);
CREATE INDEX review_digest ON review (digest, reviewer, id);
";
