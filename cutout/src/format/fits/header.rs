//! The keywords of one header of a FITS file, by name and type (FITS standard 4.0, section 4).

use fitsio_pure::header::Card;
use fitsio_pure::value::Value;

/// The keywords of a header that have a value. Where one is given twice, the first counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Header(Vec<(String, Value)>);

impl Header {
    pub(super) fn new(cards: &[Card]) -> Self {
        let with_value = |card: &Card| {
            let value = card.value.clone()?;
            Some((card.keyword_str().trim().to_ascii_uppercase(), value))
        };
        Self(cards.iter().filter_map(with_value).collect())
    }

    fn value(&self, key: &str) -> Option<&Value> {
        let mut found = self.0.iter().filter(|(name, _)| name == key);
        found.next().map(|(_, value)| value)
    }

    /// Whether there is such a keyword, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Whether there is a keyword that begins like this.
    pub(super) fn has_any(&self, beginning: &str) -> bool {
        self.0.iter().any(|(name, _)| name.starts_with(beginning))
    }

    /// A text that is not empty, without the spaces around it.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// A whole number.
    pub(super) fn integer(&self, key: &str) -> Option<i64> {
        match self.value(key)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// A finite number, whole or not.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        let number = match self.value(key)? {
            Value::Integer(number) => *number as f64,
            Value::Float(number) => *number,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }

    /// Whether a logical keyword is true.
    pub(super) fn is_true(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Logical(true)))
    }
}

#[cfg(test)]
impl Header {
    /// A header of these numbers and texts.
    pub(super) fn of(numbers: &[(&str, f64)], texts: &[(&str, &str)]) -> Self {
        let numbers = numbers
            .iter()
            .map(|(key, number)| ((*key).to_owned(), Value::Float(*number)));
        let texts = texts
            .iter()
            .map(|(key, text)| ((*key).to_owned(), Value::String((*text).to_owned())));
        Self(numbers.chain(texts).collect())
    }
}
