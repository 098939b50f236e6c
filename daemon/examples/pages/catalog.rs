//! galmorph-catalog(5): the views and tables of the catalog.
//!
//! Which columns there are is asked of a catalog that the program has just made. A column that has no
//! description, and a description without a column, is an error. The views that most people query are described
//! by the catalog's crate, whose descriptions the exports have, too.

use clap::Parser as _;
use galmorph::cli::{self, Arguments};
use galmorph_catalog::columns::{Kind, classified_columns, rejected_columns};
use galmorph_cutout::Morphology;
use roff::bold;
use rusqlite::Connection;

use crate::page::Page;
use crate::{Result, scratch, text};

/// A column and what it holds.
type Column = (&'static str, &'static str);

const PROBABILITY: &[Column] = &[
    ("path", "Text. As in `catalog`."),
    ("object_id", "Text. As in `catalog`."),
    ("model", "Text. The name of the model whose answer this is."),
    ("class_name", "Text. One of the classes."),
    (
        "probability",
        "Real, 0 to 1. The probability of this class.",
    ),
    (
        "ranking",
        "Integer, from 1. The place of this class among the five, the most probable first.",
    ),
];

const CLASSIFICATION: &[Column] = &[
    (
        "digest",
        "Text. The content that was classified: its BLAKE3 digest, in hexadecimal.",
    ),
    (
        "label",
        "Text. As in `catalog`, like all that isn't described here.",
    ),
    ("confidence", ""),
    ("p_*", ""),
    ("entropy", ""),
    ("model", "Integer. The model, a row of `model`."),
    (
        "rendering",
        "Text. How the image was to be shown to the network. A content has one answer for each model and \
         `rendering`.",
    ),
    ("classified_at", ""),
    ("framing", ""),
    ("frame_x", ""),
    ("frame_y", ""),
    ("frame_side", ""),
    ("flags", ""),
    ("stretch", ""),
    ("program_version", ""),
    ("novelty", ""),
    ("prediction_set", ""),
    ("camera", ""),
];

const MODEL: &[Column] = &[
    (
        "id",
        "Integer. The row's number. A model that this catalog met later has a higher one.",
    ),
    (
        "name",
        "Text. The model's name, and behind it the settings that are not its own: test scales, early stop.",
    ),
    (
        "digest",
        "Text. BLAKE3 of the model's file, in hexadecimal.",
    ),
    (
        "card",
        "Text, JSON. What the model says of itself, as it was used: test scales and early stop included.",
    ),
    (
        "first_used",
        "Text, ISO 8601, UTC. When this catalog met the model.",
    ),
    (
        "arithmetic",
        "Text. The numbers that it multiplied: `f32` or `bf16`.",
    ),
    (
        "prior_*",
        "Real. The fraction of each class in the images on which it was trained, from its card; NULL where that says nothing.",
    ),
];

const IN_CLASS_MIX: &[Column] = &[
    ("path", "Text. As in `catalog`."),
    ("object_id", "Text. As in `catalog`."),
    ("model", "Text. As in `catalog`."),
    ("label", "Text. As in `catalog`."),
    ("label_in_mix", "Text. The most probable class in this mix."),
    (
        "p_*_in_mix",
        "Real. The probability of each class in this mix.",
    ),
];

const NIGHT: &[Column] = &[
    (
        "night",
        "Text. The date at the beginning of the night, as `2026-11-27`. A night lasts from noon to noon, UTC, and an answer belongs \
         to the night in which it was given.",
    ),
    ("model", "Text. The name of the model that answered."),
    (
        "galaxies",
        "Integer. How many files show an answer of that night and model.",
    ),
    (
        "counted",
        "Integer. How many of these answers have a `camera` and are as sure as the model's card asks.",
    ),
    (
        "camera",
        "Real, 0 to 1. The mean of `camera` of the counted ones: about 0.5 for images like the training images.",
    ),
    (
        "other_camera",
        "Integer. 1 if that mean is surely above the threshold of the model's card, 0 if not; NULL where fewer than 20 are \
         counted, or the card has no threshold.",
    ),
];

const CLASS_MIX: &[Column] = &[
    ("model", "Text. The model's name."),
    ("model_digest", "Text. BLAKE3 digest of the model's file."),
    ("galaxies", "Integer. Of how many galaxies it is."),
    ("estimated_at", "Time. When it was estimated."),
    ("selection", "Text. The command that chose the galaxies."),
    (
        "fraction_*, fraction_low_*, fraction_high_*",
        "Real. The fraction of each class, and the ends of its 95 % interval.",
    ),
];

pub(crate) fn page(date: &str) -> Result<Page> {
    let catalog = NewCatalog::make()?;
    let about = "the catalog of galmorph, a SQLite file";
    let mut page = Page::new("galmorph-catalog", 5, about, date);
    page.section("DESCRIPTION")
        .paragraph(
            "The catalog is a SQLite file that `galmorph watch` writes. Its views are an interface: a later \
             version may add columns at their end, and changes none. The tables below them may change; \
             `PRAGMA user_version` is then another number.",
        )
        .paragraph(&format!(
            "This page describes version {}. `PRAGMA application_id` of a catalog is 0x{:X}.",
            catalog.number("user_version")?,
            catalog.number("application_id")?
        ))
        .paragraph(
            "The file is in WAL mode, so it can be read at any time, while the daemon writes. A reader must \
             be able to write to the file `galmorph.sqlite-shm` beside it; for the catalog of the service, \
             that is everyone in the group `galmorph`. Only galmorph should write to it.",
        )
        .section("CLASSES")
        .paragraph("Labels, and the columns `p_*`, are named after the classes of Zhu et al. 2019:");
    for class in Morphology::ALL {
        page.item(
            vec![bold(class.name())],
            &format!("{} galaxies.", upper_first(class.long_name())),
        );
    }
    page.section("VIEWS").paragraph(
        "Times are written as `2026-11-27 03:04:05.678`, UTC, so they compare rightly with SQLite's \
         `datetime('now', '-1 day')`.",
    );
    page.subsection("catalog").paragraph(
        "One row for each classified file, with the last answer of the model in use, which is that of the last \
         `galmorph watch`. Where that model has not answered yet, it is the answer that was shown before. Rejected \
         files are in the view `rejected`.",
    );
    catalog.describe_view(&mut page, "catalog", &classified_columns())?;
    page.subsection("rejected").paragraph(
        "One row for each rejected file. A file that is gone keeps its row, here and in `catalog`.",
    );
    catalog.describe_view(&mut page, "rejected", &rejected_columns())?;
    page.subsection("probability").paragraph(
        "The long form: one row for each classified file, each model that has answered, and each class.",
    );
    catalog.describe(&mut page, "probability", PROBABILITY)?;
    page.subsection("classification").paragraph(
        "One row for each answer to a content, of any model. Files of the same content share it.",
    );
    catalog.describe(&mut page, "classification", CLASSIFICATION)?;
    page.subsection("in_class_mix").paragraph(
        "The probabilities in the class mix of a survey: one row for each row of `catalog` of a model for which \
         `galmorph query --class-mix --keep` has kept one.",
    );
    catalog.describe(&mut page, "in_class_mix", IN_CLASS_MIX)?;
    page.subsection("night").paragraph(
        "Whether images look like another camera's than the training images: one row for each night and each model. Ask for \
         the last nights with `WHERE night >= date('now', '-7 days')`; without it, all rows are read.",
    );
    catalog.describe(&mut page, "night", NIGHT)?;
    page.section("TABLES").subsection("model").paragraph(
        "One row for each model that was used. The same file with other test scales is another model.",
    );
    catalog.describe(&mut page, "model", MODEL)?;
    page.subsection("class_mix")
        .paragraph("The class mix that was kept last for each model.");
    catalog.describe(&mut page, "class_mix", CLASS_MIX)?;
    page.subsection("cutout, other_answer, watch, review, last_commit").paragraph(
        "Files with the answers that the views show; answers that a file of their content doesn't show; what the \
         last `galmorph watch` watched; what people said of images; the mark by which `galmorph watch` knows its \
         catalog again. They are galmorph's own, and change from version to version. The comments of the schema say what is in them.",
    );
    catalog.has_no_more(&[
        "catalog",
        "rejected",
        "probability",
        "classification",
        "in_class_mix",
        "night",
        "class_mix",
        "cutout",
        "other_answer",
        "model",
        "watch",
        "review",
        "last_commit",
    ])?;
    examples(&mut page);
    Ok(page)
}

fn examples(page: &mut Page) {
    page.section("EXAMPLES")
        .paragraph("How many galaxies of each class:")
        .example("SELECT label, count(*) FROM catalog GROUP BY label;")
        .paragraph("The answers that are least sure, for a person to look at:")
        .example("SELECT path, label, confidence FROM catalog\nORDER BY confidence LIMIT 50;")
        .paragraph("What came in the last day:")
        .example(
            "SELECT path, label FROM catalog\n\
             WHERE classified_at > datetime('now', '-1 day') ORDER BY classified_at DESC;",
        )
        .paragraph("Rejected files by reason:")
        .example("SELECT reason, count(*) FROM rejected GROUP BY reason;")
        .paragraph("Where two models disagree:")
        .example(
            "SELECT path, one.model, one.class_name, other.model, other.class_name\n\
             FROM probability AS one JOIN probability AS other USING (path)\n\
             WHERE one.ranking = 1 AND other.ranking = 1\n\
             \x20   AND one.model < other.model AND one.class_name <> other.class_name;",
        )
        .section("FILES")
        .item(
            vec![bold("/var/lib/galmorph/galmorph.sqlite")],
            "The catalog of the service that the package installs.",
        )
        .item(
            vec![bold("galmorph.sqlite-wal, galmorph.sqlite-shm")],
            "Part of the catalog while it is in use. To copy a catalog, use galmorph-backup(1).",
        )
        .see_also(&[
            ("galmorph-backup", 1),
            ("galmorph-query", 1),
            ("galmorph-watch", 1),
            ("sqlite3", 1),
            ("galmorph.toml", 5),
        ]);
}

/// A catalog of this version, with nothing in it.
struct NewCatalog {
    connection: Connection,
    _folder: tempfile::TempDir,
}

impl NewCatalog {
    /// Has the program make one, as for a folder without images.
    fn make() -> Result<Self> {
        let folder = scratch()?;
        let (watched, file) = (folder.path().join("watched"), folder.path().join("catalog"));
        std::fs::create_dir(&watched)?;
        let (watched, name) = (text(&watched)?, text(&file)?);
        let words = [
            "galmorph",
            "--quiet",
            "watch",
            "--drain",
            watched,
            "--catalog",
            name,
        ];
        cli::run(Arguments::try_parse_from(words)?)?;
        Ok(Self {
            connection: Connection::open(&file)?,
            _folder: folder,
        })
    }

    /// The names that a query gives, one a row.
    fn names(&self, sql: &str) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare(sql)?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    fn number(&self, pragma: &str) -> Result<i64> {
        Ok(self
            .connection
            .pragma_query_value(None, pragma, |row| row.get(0))?)
    }

    /// Adds a view's or table's columns to the page. A star stands for the class in a name: `p_*` are the columns of all of them.
    fn describe(&self, page: &mut Page, table: &str, columns: &[Column]) -> Result<()> {
        let of_classes = |names: &str| -> Vec<String> {
            let classes: &[&str] = if names.contains('*') {
                &Morphology::names()
            } else {
                &[""]
            };
            let of_class = |class: &&str| names.replace('*', class);
            let all: Vec<String> = classes.iter().map(of_class).collect();
            all.join(", ").split(", ").map(str::to_owned).collect()
        };
        let described: Vec<String> = columns
            .iter()
            .flat_map(|(names, _)| of_classes(names))
            .collect();
        let found = self.names(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
        if found != described {
            let fault =
                format!("{table} has the columns {found:?}, and the page describes {described:?}");
            return Err(fault.into());
        }
        for (names, meaning) in columns {
            page.item(vec![bold(of_classes(names).join(", "))], meaning);
        }
        Ok(())
    }

    /// Adds the columns of a view that the program describes to the page.
    fn describe_view(
        &self,
        page: &mut Page,
        view: &str,
        columns: &[galmorph_catalog::columns::Column],
    ) -> Result<()> {
        let found = self.names(&format!("SELECT name FROM pragma_table_info('{view}')"))?;
        let described: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        if found != described {
            let fault =
                format!("{view} has the columns {found:?}, and {described:?} are described");
            return Err(fault.into());
        }
        for column in columns {
            let kind = match column.kind {
                Kind::Integer => "Integer",
                Kind::Real => "Real",
                Kind::Text => "Text",
                Kind::Time => "Time",
            };
            let unit = column
                .unit
                .map_or_else(String::new, |unit| format!(", {unit}"));
            let meaning = format!("{kind}{unit}. {}.", column.meaning);
            page.item(vec![bold(&column.name)], &meaning);
        }
        Ok(())
    }

    /// An error if there are views or tables besides these.
    fn has_no_more(&self, described: &[&str]) -> Result<()> {
        let found = self.names(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'",
        )?;
        match found
            .iter()
            .find(|name| !described.contains(&name.as_str()))
        {
            Some(name) => Err(format!("the page does not describe {name}").into()),
            None => Ok(()),
        }
    }
}

fn upper_first(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}
