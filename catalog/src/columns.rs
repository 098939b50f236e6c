//! The columns of what the catalog gives out, each described once: name, kind, unit, UCD and meaning. The
//! exports write these descriptions into their files.
//!
//! A UCD is the Virtual Observatory's word for what a number is (IVOA's "UCD1+ controlled vocabulary");
//! TOPCAT, for one, finds the position by it.

use galmorph_cutout::Morphology;

use crate::schema::probability_columns;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Real numbers.
    Real,
    /// Text.
    Text,
    /// Times: ISO 8601, UTC, as [`crate::time`] writes them.
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

    /// The same with this meaning.
    #[must_use]
    pub fn meaning(self, meaning: impl Into<String>) -> Self {
        Self {
            meaning: meaning.into(),
            ..self
        }
    }
}

/// The columns of the view `catalog`, in its order.
pub fn classified_columns() -> Vec<Column> {
    let mut columns = vec![
        Column::text("path")
            .ucd("meta.id;meta.file")
            .meaning("File of the cutout"),
        Column::text("object_id")
            .ucd("meta.id;meta.main")
            .meaning("Identifier of the object; the name of the file without its ending where nothing else is known"),
        Column::real("ra")
            .unit("deg")
            .ucd("pos.eq.ra;meta.main")
            .meaning("Right ascension (ICRS)"),
        Column::real("dec")
            .unit("deg")
            .ucd("pos.eq.dec;meta.main")
            .meaning("Declination (ICRS)"),
        Column::text("label")
            .ucd("src.morph.type;meta.main")
            .meaning("The most probable class"),
        Column::real("confidence")
            .ucd("stat.confidenceLevel;src.morph.type")
            .meaning("The probability of the label"),
    ];
    let probabilities = probability_columns().into_iter().zip(Morphology::ALL);
    columns.extend(probabilities.map(|(name, class)| {
        Column::real(name)
            .ucd("stat.probability;src.morph.type")
            .meaning(format!("The probability of the class {}", class.name()))
    }));
    columns.extend([
        Column::text("model")
            .ucd("meta.id;meta.software")
            .meaning("Name of the model that answered"),
        Column::time("classified_at")
            .ucd("time.processing")
            .meaning("When it answered (UTC)"),
        Column::text("framing").meaning("How the part of the image was found that the network saw"),
        Column::real("frame_x")
            .unit("pixel")
            .ucd("pos.cartesian.x;instr.det")
            .meaning("Column of the frame's centre in the image, from its left edge"),
        Column::real("frame_y")
            .unit("pixel")
            .ucd("pos.cartesian.y;instr.det")
            .meaning("Row of the frame's centre in the image, from its top edge"),
        Column::real("frame_side")
            .unit("pixel")
            .meaning("Side of the frame in pixels of the image; 8.48 petroR90"),
        Column::text("flags")
            .ucd("meta.code.qual")
            .meaning("What is odd about the image, separated by commas"),
        Column::text("position_from")
            .ucd("meta.ref")
            .meaning("Where ra and dec come from"),
        Column::real("radius")
            .unit("arcsec")
            .ucd("phys.angSize;src")
            .meaning("Radius of the object (petroR90), where it is known"),
        Column::text("stretch").meaning("What made a picture of a FITS image"),
    ]);
    columns
}

/// The columns of rejected files.
pub fn rejected_columns() -> Vec<Column> {
    vec![
        Column::text("path")
            .ucd("meta.id;meta.file")
            .meaning("The file"),
        Column::text("reason")
            .ucd("meta.code.status")
            .meaning("Why it was rejected"),
        Column::integer("bytes")
            .unit("byte")
            .meaning("Size of the file"),
        Column::time("modified").meaning("When the file was last changed (UTC)"),
        Column::integer("attempts").meaning("How often it was tried"),
        Column::time("updated")
            .ucd("time.processing")
            .meaning("When it was last tried (UTC)"),
    ]
}
