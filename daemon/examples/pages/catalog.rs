//! galmorph-catalog(5): the views and tables of the catalog.
//!
//! Which columns there are is asked of a catalog that the program has just made. A column that has no
//! description here, and a description without a column, is an error.

use clap::Parser as _;
use galmorph::cli::{self, Arguments};
use galmorph_cutout::Morphology;
use roff::bold;
use rusqlite::Connection;

use crate::page::Page;
use crate::{Result, scratch, text};

/// A column and what it holds.
type Column = (&'static str, &'static str);

/// The view that most people query.
const CATALOG: &[Column] = &[
    (
        "path",
        "Text. Where the file is. Bytes that are not UTF-8 are percent-encoded.",
    ),
    ("object_id", "Text. The file's name without its ending."),
    (
        "ra",
        "Real, degrees. Right ascension, ICRS; NULL if it is not known.",
    ),
    (
        "dec",
        "Real, degrees. Declination, ICRS; NULL if it is not known.",
    ),
    (
        "label",
        "Text. The most probable class, one of those above; NULL for a rejected file.",
    ),
    ("confidence", "Real, 0 to 1. The probability of the label."),
    (
        "p_*",
        "Real, 0 to 1. The probability of the class of this name. The five sum to 1.",
    ),
    ("model", "Text. The name of the model whose answer this is."),
    (
        "classified_at",
        "Text, ISO 8601, UTC. When the answer was made.",
    ),
    (
        "framing",
        "Text. How the part of the image was found that the network looked at: `paper`, `frame`, `radius` or \
         `measured`.",
    ),
    (
        "frame_x",
        "Real, pixels. The middle of Galaxy Zoo's frame in the image, from its left edge.",
    ),
    ("frame_y", "Real, pixels. The same from its upper edge."),
    (
        "frame_side",
        "Real, pixels. The side of that frame in pixels of the image: 8.48 petroR90. The views are centre crops \
         of it.",
    ),
    (
        "flags",
        "Text. What was noticed of the image: names with commas between them, empty if there is nothing. NULL \
         for an answer from before version 6 of the catalog.",
    ),
    (
        "position_from",
        "Text. Where `ra` and `dec` come from; NULL if they are not known.",
    ),
    (
        "radius",
        "Real, arcsec. The object's radius, petroR90; NULL if it is not known.",
    ),
    (
        "stretch",
        "Text. How values became colours, for images of measured fluxes; NULL for others.",
    ),
];

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

const CUTOUT: &[Column] = &[
    ("id", "Integer. The row's number."),
    ("path", "Text, unique. As in the view `catalog`."),
    (
        "digest",
        "Text. BLAKE3 of the content, in hexadecimal; NULL for a file that was too large to be read.",
    ),
    ("bytes", "Integer. The file's size."),
    (
        "modified",
        "Text. The file's time of modification, when it was read.",
    ),
    ("width", "Integer, pixels; NULL if it is not known."),
    ("height", "Integer, pixels; NULL if it is not known."),
    ("object_id", "Text. As in the view `catalog`."),
    ("ra", "Real, degrees. As in the view `catalog`."),
    ("dec", "Real, degrees. As in the view `catalog`."),
    ("state", "Text. `classified` or `rejected`."),
    (
        "reason",
        "Text. Why the file was rejected: one of the reasons that galmorph-retry(1) lists, a colon, and a \
         message. NULL for a classified file.",
    ),
    ("attempts", "Integer. How often the file was tried."),
    (
        "first_seen",
        "Text, ISO 8601, UTC. When the file had its first row.",
    ),
    (
        "updated",
        "Text, ISO 8601, UTC. When the row was last written.",
    ),
    (
        "retry",
        "Text, ISO 8601, UTC. Since when the file waits to be tried again; NULL if it does not.",
    ),
    (
        "move_to",
        "Text. Where the file is about to be moved; NULL if it is where `path` says.",
    ),
    (
        "rendering",
        "Text. How the image is to be shown to the network. Of the answers for its content, the file's is the \
         one with this `rendering`. NULL for a file that was rejected before that was known.",
    ),
    ("position_from", "Text. As in the view `catalog`."),
    ("radius", "Real, arcsec. As in the view `catalog`."),
];

const CLASSIFICATION: &[Column] = &[
    (
        "digest",
        "Text. The content that was classified, as in `cutout`.",
    ),
    ("model", "Integer. The model, a row of `model`."),
    (
        "rendering",
        "Text. How the image was to be shown, as in `cutout`. A content has one answer for each model and \
         `rendering`.",
    ),
    ("label", "Text. The most probable class."),
    ("confidence", "Real, 0 to 1. The probability of the label."),
    (
        "entropy",
        "Real. The entropy of the five probabilities in nats: 0 if the network is sure, 1.609 if it can't \
         tell at all.",
    ),
    (
        "p_*",
        "Real, 0 to 1. The probability of the class of this name.",
    ),
    (
        "classified_at",
        "Text, ISO 8601, UTC. When the answer was made.",
    ),
    ("framing", "Text. As in the view `catalog`."),
    ("frame_x", "Real, pixels. As in the view `catalog`."),
    ("frame_y", "Real, pixels. As in the view `catalog`."),
    ("frame_side", "Real, pixels. As in the view `catalog`."),
    ("flags", "Text. As in the view `catalog`."),
    ("stretch", "Text. As in the view `catalog`."),
];

const MODEL: &[Column] = &[
    (
        "id",
        "Integer. The row's number. A model that this catalog met later has a higher one.",
    ),
    ("name", "Text. The model's name."),
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
    page.section("VIEWS").subsection("catalog").paragraph(
        "One row for each file, with the answer of the model in use, which is that of the last `galmorph \
         watch`. If that model has not answered yet, it is the answer of the model that this catalog met \
         last. A rejected file has a row without an answer.",
    );
    catalog.describe(&mut page, "catalog", CATALOG)?;
    page.subsection("probability").paragraph(
        "The long form: one row for each classified file, each model that has answered, and each class.",
    );
    catalog.describe(&mut page, "probability", PROBABILITY)?;
    page.section("TABLES").subsection("cutout").paragraph(
        "One row for each file that was classified or rejected. A file that is gone keeps its row.",
    );
    catalog.describe(&mut page, "cutout", CUTOUT)?;
    page.subsection("classification").paragraph(
        "One row for each content and each model that has answered. Files of the same content share it.",
    );
    catalog.describe(&mut page, "classification", CLASSIFICATION)?;
    page.subsection("model").paragraph(
        "One row for each model that was used. The same file with other test scales is another model.",
    );
    catalog.describe(&mut page, "model", MODEL)?;
    page.subsection("watch").paragraph(
        "What the last `galmorph watch` watched, for `galmorph status`. Its columns are galmorph's own.",
    );
    catalog.has_no_more(&[
        "catalog",
        "probability",
        "cutout",
        "classification",
        "model",
        "watch",
    ])?;
    page.section("EXAMPLES")
        .paragraph("How many galaxies of each class:")
        .example("SELECT label, count(*) FROM catalog GROUP BY label;")
        .paragraph("The answers that are least sure, for a person to look at:")
        .example("SELECT path, label, confidence FROM catalog\nWHERE label IS NOT NULL ORDER BY confidence LIMIT 50;")
        .paragraph("Rejected files by reason:")
        .example(
            "SELECT substr(reason, 1, instr(reason, ':') - 1), count(*) FROM cutout\n\
             WHERE state = 'rejected' GROUP BY 1;",
        )
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
    Ok(page)
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

    /// Adds a view's or table's columns to the page. `p_*` stands for those of all classes.
    fn describe(&self, page: &mut Page, table: &str, columns: &[Column]) -> Result<()> {
        let classes = Morphology::names().map(|class| format!("p_{class}"));
        let described: Vec<String> = columns
            .iter()
            .flat_map(|(name, _)| match *name {
                "p_*" => classes.to_vec(),
                name => vec![name.to_owned()],
            })
            .collect();
        let found = self.names(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
        if found != described {
            let fault =
                format!("{table} has the columns {found:?}, and the page describes {described:?}");
            return Err(fault.into());
        }
        for (name, meaning) in columns {
            let names = match *name {
                "p_*" => classes.join(", "),
                name => name.to_owned(),
            };
            page.item(vec![bold(names)], meaning);
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
