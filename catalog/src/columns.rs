//! The columns of what the catalog gives out, each described once: name, kind, unit, UCD and meaning. The
//! exports write these descriptions into their files.
//!
//! A UCD is the Virtual Observatory's word for what a number is (IVOA's "UCD1+ controlled vocabulary");
//! TOPCAT, for one, finds the position by it.

use galmorph_cutout::Morphology;

/// When an answer was given, as the views show it: it compares rightly with what SQLite's `datetime` makes. There is
/// an index over exactly this expression.
pub(crate) const CLASSIFIED_AT: &str =
    "strftime('%Y-%m-%d %H:%M:%f', classified / 1000.0, 'unixepoch')";

/// The column of each class's probability, in the order of the ids.
pub fn probability_columns() -> [String; Morphology::COUNT] {
    Morphology::names().map(|name| format!("p_{name}"))
}

/// The column of `model` that has each class's fraction in the images that a model was trained on.
pub(crate) fn prior_columns() -> [String; Morphology::COUNT] {
    Morphology::names().map(|name| format!("prior_{name}"))
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Real numbers.
    Real,
    /// Text.
    Text,
    /// Times, UTC. The views write them as `2026-11-27 03:04:05.678`, which SQLite's own functions understand, and the
    /// exports as `2026-11-27T03:04:05.678Z`.
    Time,
}

/// A column. Any of its cells may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its cells hold.
    pub kind: Kind,
    /// The unit of its numbers, as the VOUnits standard writes it.
    pub unit: Option<&'static str>,
    /// What it is, in the words of the UCD vocabulary.
    pub ucd: Option<&'static str>,
    /// One sentence, without its full stop; empty if there is nothing to say.
    pub meaning: String,
    /// The version of the catalog that has it first.
    pub since: u32,
}

impl Column {
    /// A column of whole numbers.
    pub fn integer(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// A column of real numbers.
    pub fn real(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Real)
    }

    /// A column of text.
    pub fn text(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Text)
    }

    /// A column of times.
    pub fn time(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Time)
    }

    fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            unit: None,
            ucd: None,
            meaning: String::new(),
            since: 1,
        }
    }

    /// The same in this unit.
    #[must_use]
    pub fn unit(self, unit: &'static str) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    /// The same with this UCD.
    #[must_use]
    pub fn ucd(self, ucd: &'static str) -> Self {
        Self {
            ucd: Some(ucd),
            ..self
        }
    }

    /// The same, in catalogs from this version on.
    #[must_use]
    pub fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }

    /// The same with this meaning.
    #[must_use]
    pub fn meaning(self, meaning: impl Into<String>) -> Self {
        Self {
            meaning: meaning.into(),
            ..self
        }
    }
}

/// A column of a view: what it is, and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ViewColumn {
    pub(crate) column: Column,
    /// The expression over the columns of `cutout`.
    pub(crate) sql: String,
}

impl ViewColumn {
    /// A column that is one of `cutout` under its own name.
    fn plain(column: Column) -> Self {
        let sql = column.name.clone();
        Self { column, sql }
    }

    fn made_of(column: Column, sql: impl Into<String>) -> Self {
        let sql = sql.into();
        Self { column, sql }
    }
}

/// What a row says of its model.
fn of_model(column: &str) -> String {
    format!("(SELECT model.{column} FROM model WHERE model.id = cutout.model)")
}

/// A time in milliseconds as the views show it.
fn time_text(column: &str) -> String {
    format!("strftime('%Y-%m-%d %H:%M:%f', {column} / 1000.0, 'unixepoch')")
}

/// The probability of the label less that of the runner-up: the second largest number is the largest of the
/// smaller ones of all pairs.
fn margin() -> String {
    let columns = probability_columns();
    let mut smaller = Vec::new();
    for (at, one) in columns.iter().enumerate() {
        for other in &columns[at + 1..] {
            smaller.push(format!("min({one}, {other})"));
        }
    }
    format!("confidence - max({})", smaller.join(", "))
}

/// The class of the largest of these numbers, one for each class; of equals, that with the lowest id. NULL if any of them is.
pub(crate) fn class_of_largest(numbers: &[String; Morphology::COUNT]) -> String {
    let classes = numbers.iter().zip(Morphology::names());
    let cases: Vec<String> = classes
        .map(|(number, name)| format!("WHEN {number} THEN '{name}'"))
        .collect();
    format!("CASE max({}) {} END", numbers.join(", "), cases.join(" "))
}

/// As [`Probabilities::label_balanced`](galmorph_cutout::Probabilities::label_balanced) decides.
fn label_balanced() -> String {
    let likelihoods = Morphology::names().map(|name| format!("p_{name} / prior_{name}"));
    format!(
        "(SELECT {} FROM model WHERE model.id = cutout.model)",
        class_of_largest(&likelihoods)
    )
}

/// The view `catalog`, in the order of its columns. New ones come last: programs may count on the place of the
/// others.
pub(crate) fn catalog_view() -> Vec<ViewColumn> {
    let plain = ViewColumn::plain;
    let mut columns = vec![
        plain(
            Column::text("path")
                .ucd("meta.id;meta.file")
                .meaning("File of the cutout"),
        ),
        plain(Column::text("object_id").ucd("meta.id;meta.main").meaning(
            "Identifier of the object; the name of the file without its ending where nothing else is known",
        )),
        plain(
            Column::real("ra")
                .unit("deg")
                .ucd("pos.eq.ra;meta.main")
                .meaning("Right ascension (ICRS)"),
        ),
        plain(
            Column::real("dec")
                .unit("deg")
                .ucd("pos.eq.dec;meta.main")
                .meaning("Declination (ICRS)"),
        ),
        plain(
            Column::text("label")
                .ucd("src.morph.type;meta.main")
                .meaning("The most probable class"),
        ),
        plain(
            Column::real("confidence")
                .ucd("stat.confidenceLevel;src.morph.type")
                .meaning("The probability of the label"),
        ),
    ];
    let probabilities = probability_columns().into_iter().zip(Morphology::ALL);
    columns.extend(probabilities.map(|(name, class)| {
        plain(
            Column::real(name)
                .ucd("stat.probability;src.morph.type")
                .meaning(format!("The probability of the class {}", class.name())),
        )
    }));
    columns.extend([
        ViewColumn::made_of(
            Column::text("model")
                .ucd("meta.id;meta.software")
                .meaning("Name of the model that answered"),
            of_model("name"),
        ),
        ViewColumn::made_of(
            Column::time("classified_at")
                .ucd("time.processing")
                .meaning("When it answered (UTC)"),
            CLASSIFIED_AT,
        ),
        plain(
            Column::text("framing")
                .meaning("How the part of the image was found that the network saw"),
        ),
        plain(
            Column::real("frame_x")
                .unit("pixel")
                .ucd("pos.cartesian.x;instr.det")
                .meaning("Column of the frame's centre in the image, from its left edge"),
        ),
        plain(
            Column::real("frame_y")
                .unit("pixel")
                .ucd("pos.cartesian.y;instr.det")
                .meaning("Row of the frame's centre in the image, from its top edge"),
        ),
        plain(
            Column::real("frame_side")
                .unit("pixel")
                .meaning("Side of the frame in pixels of the image; 8.48 petroR90"),
        ),
        plain(
            Column::text("flags")
                .ucd("meta.code.qual")
                .meaning("What is odd about the image, separated by commas"),
        ),
        plain(
            Column::text("position_from")
                .ucd("meta.ref")
                .meaning("Where ra and dec come from"),
        ),
        plain(
            Column::real("radius")
                .unit("arcsec")
                .ucd("phys.angSize;src")
                .meaning("Radius of the object (petroR90), where it is known"),
        ),
        plain(Column::text("stretch").meaning("What made a picture of a FITS image")),
    ]);
    for column in &mut columns[13..] {
        column.column.since = 6;
    }
    columns.extend(since_version_7());
    columns.push(since_version_8());
    columns.push(since_version_9());
    columns
}

fn since_version_7() -> [ViewColumn; 9] {
    let plain = ViewColumn::plain;
    let columns = [
        plain(
            Column::real("entropy")
                .meaning("Entropy of the probabilities in nats; 0 where one class is certain"),
        ),
        ViewColumn::made_of(
            Column::real("margin")
                .ucd("stat.probability;arith.diff")
                .meaning("The probability of the label less that of the second most probable class"),
            margin(),
        ),
        ViewColumn::made_of(
            Column::time("first_seen").meaning("When the file was found (UTC)"),
            time_text("first_seen"),
        ),
        ViewColumn::made_of(
            Column::text("model_digest")
                .ucd("meta.checksum;meta.software")
                .meaning("BLAKE3 digest of the model's file"),
            of_model("digest"),
        ),
        ViewColumn::made_of(
            Column::text("arithmetic").meaning("The numbers that the network multiplied: f32, bf16 or int8"),
            of_model("arithmetic"),
        ),
        plain(
            Column::text("program_version")
                .ucd("meta.version;meta.software")
                .meaning("The version of galmorph that recorded the answer"),
        ),
        plain(
            Column::integer("healpix")
                .ucd("pos.healpix")
                .meaning("HEALPix cell of the position, nested, order 29"),
        ),
        plain(Column::real("novelty").meaning(
            "How unlike the training images the image is; empty where the model doesn't say",
        )),
        plain(Column::text("prediction_set").meaning(
            "The classes that are not ruled out at the asked coverage, the most probable first; empty where the model doesn't say",
        )),
    ];
    columns.map(|view| ViewColumn {
        column: view.column.since(7),
        ..view
    })
}

fn since_version_8() -> ViewColumn {
    ViewColumn::made_of(
        Column::text("label_balanced")
            .ucd("src.morph.type")
            .meaning("The most probable class where all classes are equally common; empty where the model doesn't say on which mix it was trained")
            .since(8),
        label_balanced(),
    )
}

fn since_version_9() -> ViewColumn {
    ViewColumn::plain(
        Column::real("camera")
            .meaning("How far the image's features lie from what the training images span: its rank among confident galaxies of its label on which the model was not trained, 0 to 1; empty where the model doesn't say")
            .since(9),
    )
}

/// The view `rejected`, in the order of its columns.
pub(crate) fn rejected_view() -> Vec<ViewColumn> {
    let plain = ViewColumn::plain;
    vec![
        plain(
            Column::text("path")
                .ucd("meta.id;meta.file")
                .meaning("The file"),
        ),
        plain(
            Column::text("reason")
                .ucd("meta.code.status")
                .meaning("Why it was rejected, in a word"),
        ),
        plain(
            Column::integer("bytes")
                .unit("byte")
                .meaning("Size of the file"),
        ),
        ViewColumn::made_of(
            Column::time("modified").meaning("When the file was last changed (UTC)"),
            // Nanoseconds, or a text.
            "iif(typeof(modified) = 'integer', strftime('%Y-%m-%d %H:%M:%f', modified / 1000000 / 1000.0, 'unixepoch'), modified)",
        ),
        plain(Column::integer("attempts").meaning("How often it was tried")),
        ViewColumn::made_of(
            Column::time("updated")
                .ucd("time.processing")
                .meaning("When it was last tried (UTC)"),
            time_text("updated"),
        ),
        plain(
            Column::text("message")
                .meaning("Why it was rejected, in a sentence")
                .since(7),
        ),
        plain(
            Column::text("object_id")
                .ucd("meta.id;meta.main")
                .meaning("Identifier of the object"),
        ),
        ViewColumn::made_of(
            Column::time("first_seen").meaning("When the file was found (UTC)"),
            time_text("first_seen"),
        ),
    ]
}

/// The columns of the view `catalog`, in its order.
pub fn classified_columns() -> Vec<Column> {
    let columns = catalog_view().into_iter();
    columns.map(|column| column.column).collect()
}

/// The columns of the view `rejected`, in its order.
pub fn rejected_columns() -> Vec<Column> {
    let columns = rejected_view().into_iter();
    columns.map(|column| column.column).collect()
}
