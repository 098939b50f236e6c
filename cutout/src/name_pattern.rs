//! What the name of a file says of the object, where somebody told how to read it: `cutout_{ra}_{dec}`.
//!
//! Nothing is guessed. A name that can be read in two ways, a number that is no place on the sky, an IAU name
//! that is too short to be a position: then the name does not match.

use std::fmt;
use std::str::FromStr;

use crate::{Identity, Position, PositionSource};

/// How the names of files are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(Field),
}

/// What a part of a name can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// The object's id: any text.
    ObjectId,
    /// Right ascension in degrees, a decimal number.
    Ra,
    /// Declination in degrees, a decimal number.
    Dec,
    /// A position as in the names of objects, behind the `J`: `012345.67+012345.6`.
    Iau,
    /// The band that the file has, of several files of one image.
    Band,
}

impl Field {
    const ALL: [Self; 5] = [Self::ObjectId, Self::Ra, Self::Dec, Self::Iau, Self::Band];

    const fn name(self) -> &'static str {
        match self {
            Self::ObjectId => "object_id",
            Self::Ra => "ra",
            Self::Dec => "dec",
            Self::Iau => "iau",
            Self::Band => "band",
        }
    }
}

/// A pattern that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Something in braces that is no part of a name.
    #[error("unknown part '{{{0}}}' (one of {{object_id}}, {{ra}}, {{dec}}, {{iau}})")]
    Unknown(String),
    /// A brace without the other.
    #[error("a brace without its other one")]
    Brace,
    /// Nothing of the name is read.
    #[error("none of {{object_id}}, {{ra}} and {{dec}}, {{iau}}")]
    Nothing,
    /// One part twice.
    #[error("'{{{0}}}' twice")]
    Twice(&'static str),
    /// One coordinate.
    #[error("{{ra}} and {{dec}} need each other")]
    OneCoordinate,
    /// Two positions.
    #[error("{{iau}} and {{ra}} both give a position")]
    TwoPositions,
    /// No one could tell where the one part ends.
    #[error("nothing between '{{{0}}}' and '{{{1}}}'")]
    Adjacent(&'static str, &'static str),
    /// The position of a name without a J is of another epoch.
    #[error("{{iau}} must stand behind a J")]
    NoJ,
    /// A band in the name of a file that has the whole image.
    #[error("{{band}} is for files that have one band each (band_files)")]
    Band,
    /// The names of files that have one band each, and don't say which.
    #[error("no {{band}} in it")]
    NoBand,
}

impl FromStr for NamePattern {
    type Err = PatternFault;

    fn from_str(text: &str) -> Result<Self, PatternFault> {
        let pattern = Self::parse(text)?;
        if pattern.has(Field::Band) {
            return Err(PatternFault::Band);
        }
        Ok(pattern)
    }
}

impl NamePattern {
    /// The names of files that have one band each.
    pub(crate) fn with_band(text: &str) -> Result<Self, PatternFault> {
        let pattern = Self::parse(text)?;
        if !pattern.has(Field::Band) {
            return Err(PatternFault::NoBand);
        }
        Ok(pattern)
    }

    fn has(&self, field: Field) -> bool {
        self.parts.contains(&Part::Field(field))
    }

    fn parse(text: &str) -> Result<Self, PatternFault> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let Some(inner) = rest.strip_prefix('{') else {
                let end = rest.find(['{', '}']).unwrap_or(rest.len());
                if rest[end..].starts_with('}') {
                    return Err(PatternFault::Brace);
                }
                parts.push(Part::Literal(rest[..end].to_owned()));
                rest = &rest[end..];
                continue;
            };
            let (name, behind) = inner.split_once('}').ok_or(PatternFault::Brace)?;
            let mut known = Field::ALL.into_iter();
            let known = known.find(|known| known.name() == name);
            let field = known.ok_or_else(|| PatternFault::Unknown(name.to_owned()))?;
            parts.push(Part::Field(field));
            rest = behind;
        }
        validate(&parts)?;
        let text = text.to_owned();
        Ok(Self { text, parts })
    }
}

fn validate(parts: &[Part]) -> Result<(), PatternFault> {
    let count = |field| {
        let of_this = parts.iter().filter(|part| **part == Part::Field(field));
        of_this.count()
    };
    let has = |field| count(field) > 0;
    if let Some(twice) = Field::ALL.into_iter().find(|field| count(*field) > 1) {
        return Err(PatternFault::Twice(twice.name()));
    }
    let mut of_the_object = Field::ALL.into_iter().filter(|field| *field != Field::Band);
    if !of_the_object.any(has) {
        return Err(PatternFault::Nothing);
    }
    if has(Field::Ra) != has(Field::Dec) {
        return Err(PatternFault::OneCoordinate);
    }
    if has(Field::Iau) && has(Field::Ra) {
        return Err(PatternFault::TwoPositions);
    }
    for pair in parts.windows(2) {
        if let [Part::Field(one), Part::Field(other)] = pair {
            return Err(PatternFault::Adjacent(one.name(), other.name()));
        }
    }
    let mut before = "";
    for part in parts {
        match part {
            Part::Field(Field::Iau) if !before.ends_with('J') => return Err(PatternFault::NoJ),
            Part::Field(_) => before = "",
            Part::Literal(text) => before = text,
        }
    }
    Ok(())
}

impl fmt::Display for NamePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl NamePattern {
    /// What the name of a file, without its ending, says of the object; `None` if it is not made like this. Where
    /// the pattern has no id, the name is the object's; an IAU name is one.
    pub fn read(&self, stem: &str) -> Option<Identity> {
        let fields = self.fields(stem, &[])?;
        identity(&fields, stem)
    }

    /// What the name of a file that has one of these bands says of the object, and which band it has: the place of the
    /// band's name in `bands`, and the name as it is before and after that.
    pub(crate) fn read_band<'a>(&self, name: &'a str, bands: &[String]) -> Option<NameOfBand<'a>> {
        let fields = self.fields(name, bands)?;
        let band = fields.iter().find(|(field, _)| *field == Field::Band);
        let (_, band) = band.expect("a pattern of files with one band each has the band in it");
        let start = band.as_ptr() as usize - name.as_ptr() as usize;
        Some(NameOfBand {
            band: bands.iter().position(|known| known == band)?,
            before: &name[..start],
            after: &name[start + band.len()..],
            identity: identity(&fields, "")?,
        })
    }

    /// The parts of a name that are read; `None` if it is not made like this, or in two ways.
    fn fields<'a>(&self, name: &'a str, bands: &[String]) -> Option<Fields<'a>> {
        let mut found = Vec::new();
        collect(&self.parts, name, bands, &mut Vec::new(), &mut found);
        // A name that can be read in two ways is not read.
        let (Some(fields), None) = (found.pop(), found.pop()) else {
            return None;
        };
        Some(fields)
    }
}

/// What the parts of a name say of the object. Without an id or an IAU name, it is called `name`.
fn identity(fields: &Fields, name: &str) -> Option<Identity> {
    let text = |wanted| {
        let mut fields = fields.iter();
        fields
            .find(|(field, _)| *field == wanted)
            .map(|(_, text)| *text)
    };
    let iau = text(Field::Iau);
    let position = match (text(Field::Ra).zip(text(Field::Dec)), iau) {
        (Some((ra, dec)), _) => Some(Position::new(ra.parse().ok()?, dec.parse().ok()?)?),
        (None, Some(iau)) => Some(iau_position(iau)?),
        (None, None) => None,
    };
    let object_id = match (text(Field::ObjectId), iau) {
        (Some(id), _) => id.to_owned(),
        (None, Some(iau)) => format!("J{iau}"),
        (None, None) => name.to_owned(),
    };
    Some(Identity {
        object_id,
        position: position.map(|position| (position, PositionSource::Name)),
        radius: None,
    })
}

/// The name of a file that has one band.
pub(crate) struct NameOfBand<'a> {
    pub(crate) band: usize,
    pub(crate) before: &'a str,
    pub(crate) after: &'a str,
    /// Its id is empty where the name has none.
    pub(crate) identity: Identity,
}

/// The parts of a name that are read.
type Fields<'a> = Vec<(Field, &'a str)>;

/// Finds the ways in which `text` is made of `parts`, up to two of them.
fn collect<'a>(
    parts: &[Part],
    text: &'a str,
    bands: &[String],
    fields: &mut Fields<'a>,
    found: &mut Vec<Fields<'a>>,
) {
    let Some((part, others)) = parts.split_first() else {
        if text.is_empty() {
            found.push(fields.clone());
        }
        return;
    };
    match part {
        Part::Literal(literal) => {
            if let Some(rest) = text.strip_prefix(&**literal) {
                collect(others, rest, bands, fields, found);
            }
        }
        Part::Field(field) => {
            let characters = text.char_indices();
            for end in characters.map(|(at, character)| at + character.len_utf8()) {
                let (value, rest) = text.split_at(end);
                if found.len() < 2 && can_be(*field, value, bands) {
                    fields.push((*field, value));
                    collect(others, rest, bands, fields, found);
                    fields.pop();
                }
            }
        }
    }
}

fn can_be(field: Field, text: &str, bands: &[String]) -> bool {
    match field {
        Field::ObjectId => true,
        Field::Ra | Field::Dec => is_decimal(text.strip_prefix(['+', '-']).unwrap_or(text)),
        Field::Iau => iau_position(text).is_some(),
        Field::Band => bands.iter().any(|band| band == text),
    }
}

/// Digits, with one point between them or none.
fn is_decimal(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number(whole) && is_number(part)
}

/// The position in an IAU name, `HHMMSS.ss+DDMMSS.s` with any number of decimals. Such names are cut off and not
/// rounded, so this is the middle of what the digits allow. Names without seconds are not read: they are
/// arcminutes away from their object.
fn iau_position(text: &str) -> Option<Position> {
    let sign = text.find(['+', '-'])?;
    let (ra, dec) = (sexagesimal(&text[..sign])?, sexagesimal(&text[sign + 1..])?);
    let is_south = text[sign..].starts_with('-');
    Position::new(ra * 15.0, if is_south { -dec } else { dec })
}

/// `DDMMSS.ss` in the unit that `DD` counts: the middle of what the digits allow.
fn sexagesimal(text: &str) -> Option<f64> {
    let (whole, decimals) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 6 || !is_digits(whole) || !is_digits(decimals) {
        return None;
    }
    let number = |text: &str| text.parse::<f64>().ok();
    let (units, minutes) = (number(&whole[..2])?, number(&whole[2..4])?);
    let seconds = number(&text[4..])?;
    let middle = seconds + 0.5 * 0.1_f64.powi(decimals.len() as i32);
    (minutes < 60.0 && seconds < 60.0).then_some(units + minutes / 60.0 + middle / 3600.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An id and a position.
    type Found = (String, Option<(f64, f64)>);

    fn read(pattern: &str, stem: &str) -> Option<Found> {
        let found = pattern.parse::<NamePattern>().unwrap().read(stem)?;
        let position = found.position.map(|(at, from)| {
            assert_eq!(from, PositionSource::Name);
            (at.ra(), at.dec())
        });
        Some((found.object_id, position))
    }

    fn named(id: &str, position: Option<(f64, f64)>) -> Found {
        (id.to_owned(), position)
    }

    #[test]
    fn names_of_surveys_are_read() {
        let legacy = "cutout_{ra}_{dec}";
        let name = "cutout_154.7709_-46.4537";
        assert_eq!(
            read(legacy, name),
            Some(named(name, Some((154.7709, -46.4537))))
        );
        let cutana = "{object_id}_{ra}_{dec}_cutout";
        let at = Some((1.25, 2.5));
        assert_eq!(
            read(cutana, "NGC_1_1.25_+2.5_cutout"),
            Some(named("NGC_1", at))
        );
        assert_eq!(read("{object_id}", "5877 x"), Some(named("5877 x", None)));
        assert_eq!(read("{object_id}-r", "5877-r"), Some(named("5877", None)));
        let end = "cutout_360.0000_0.0000";
        assert_eq!(read(legacy, end), Some(named(end, Some((0.0, 0.0)))));
    }

    #[test]
    fn what_is_not_made_like_the_pattern_is_not_read() {
        for stem in [
            "cutout_1.5",
            "cutout_1.5_2.5_r",
            "xcutout_1.5_2.5",
            "cutout_1.5_2.",
            "cutout_.5_2.5",
            "cutout_1e2_2.5",
            "cutout_nan_2.5",
            "cutout_1.5.5_2.5",
            "cutout_\u{661}_2.5",
            // No place on the sky.
            "cutout_360.1_2.5",
            "cutout_-1.5_2.5",
            "cutout_1.5_90.1",
        ] {
            assert_eq!(read("cutout_{ra}_{dec}", stem), None, "{stem}");
        }
        // In two ways: 1.5 of a, or 5 of a.1.
        assert_eq!(read("{object_id}.{ra}_{dec}", "a.1.5_2"), None);
        let at = Some((1.0, 2.0));
        assert_eq!(
            read("{object_id}.{ra}_{dec}", "a.1_2"),
            Some(named("a", at))
        );
        assert_eq!(read("{object_id}_r", "_r"), None);
    }

    #[test]
    fn an_iau_name_is_the_middle_of_what_its_digits_allow() {
        let (id, position) = read("SDSS_J{iau}", "SDSS_J010203.45-010203.4").unwrap();
        assert_eq!(id, "J010203.45-010203.4");
        let (ra, dec) = position.unwrap();
        // 3.455 s and 3.45 arcsec.
        assert!((ra - 15.0 * (1.0 + 2.0 / 60.0 + 3.455 / 3600.0)).abs() < 1e-12);
        assert!((dec + (1.0 + 2.0 / 60.0 + 3.45 / 3600.0)).abs() < 1e-12);
        let (_, position) = read("J{iau}", "J000000-000000").unwrap();
        assert_eq!(position, Some((15.0 * 0.5 / 3600.0, -0.5 / 3600.0)));
        for stem in [
            "J0102-0102",
            "J010203.45",
            "J010203.45-0102",
            "J010203.-010203",
            "J240000-000000",
            "J006000-000000",
            "J000060-000000",
            "J000000-900000",
            "J000000_000000",
            "B000000+000000",
        ] {
            assert_eq!(read("J{iau}", stem), None, "{stem}");
        }
        let (id, _) = read("J{iau}_{object_id}", "J010203.45+010203.4_5").unwrap();
        assert_eq!(id, "5");
    }

    #[test]
    fn patterns_that_cannot_be_used_are_refused() {
        let fault = |text: &str| text.parse::<NamePattern>().unwrap_err().to_string();
        assert_eq!(
            fault("cutout"),
            "none of {object_id}, {ra} and {dec}, {iau}"
        );
        assert_eq!(fault(""), fault("cutout"));
        assert!(fault("{id}").starts_with("unknown part '{id}' (one of {object_id}"));
        assert_eq!(fault("{ra"), "a brace without its other one");
        assert_eq!(fault("ra}"), fault("{ra"));
        assert_eq!(fault("{ra}_{dec}_{ra}"), "'{ra}' twice");
        assert_eq!(fault("x_{ra}"), "{ra} and {dec} need each other");
        assert_eq!(fault("{ra}{dec}"), "nothing between '{ra}' and '{dec}'");
        assert_eq!(
            fault("J{iau}_{ra}_{dec}"),
            "{iau} and {ra} both give a position"
        );
        assert_eq!(fault("{iau}"), "{iau} must stand behind a J");
        assert_eq!(fault("B{iau}"), fault("{iau}"));
    }
}
