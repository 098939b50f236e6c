//! An address to the rows that it selects, and back.
//!
//! What stands behind the ? of a gallery's address has the names of `galmorph query`'s flags. It is kept as it was
//! written, so that `since=yesterday` in a link means the reader's yesterday.

use form_urlencoded::{Serializer, parse};
use galmorph_catalog::ask::Request;

/// An address's longest part behind the ?, in bytes.
const LONGEST: usize = 4096;
/// The most names with values in it.
const MOST: usize = 64;

/// The names and values of an address or of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads them. A value that is left empty, as forms leave it, is none.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("the address is longer than {LONGEST} bytes"));
        }
        let pairs: Vec<(String, String)> = parse(text.as_bytes())
            .filter(|(_, value)| !value.trim().is_empty())
            .map(|(name, value)| (name.into_owned(), value.trim().to_owned()))
            .collect();
        if pairs.len() > MOST {
            return Err(format!("the address has more than {MOST} values"));
        }
        if pairs
            .iter()
            .any(|(name, value)| name.contains('\0') || value.contains('\0'))
        {
            return Err("the address has a character that no text has".into());
        }
        Ok(Self(pairs))
    }

    /// Takes a value out. Of several, the last one counts.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let mut found = None;
        self.0.retain(|(known, value)| {
            let is_it = known == name;
            if is_it {
                found = Some(value.clone());
            }
            !is_it
        });
        found
    }
}

/// Rows that an address selects.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Selection {
    pairs: Vec<(String, String)>,
    pub(crate) request: Request,
}

impl Selection {
    /// What is left of a query.
    pub(crate) fn of(query: Query) -> Result<Self, String> {
        let mut request = Request::default();
        for (name, value) in &query.0 {
            request.set(name, value)?;
        }
        Ok(Self {
            pairs: query.0,
            request,
        })
    }

    /// The same with other values for some names; nothing takes a name away.
    pub(crate) fn with(&self, changes: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
        let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
        let kept = self
            .pairs
            .iter()
            .filter(|(name, _)| !is_changed(name))
            .cloned();
        let added = changes
            .iter()
            .filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())));
        kept.chain(added).collect()
    }

    /// The first value of a name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        let found = pairs.find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    /// All values of a name.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.pairs.iter().filter(move |(known, _)| known == name);
        of_name.map(|(_, value)| &**value)
    }

    /// Whether any rows are left out.
    pub(crate) fn is_all(&self) -> bool {
        self.pairs.iter().all(|(name, _)| name == "sort")
    }

    /// All that is in it, but for the order.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &(String, String)> {
        self.pairs.iter().filter(|(name, _)| name != "sort")
    }

    /// As it stands behind the ?.
    pub(crate) fn address(&self) -> String {
        address(&self.pairs)
    }
}

/// Names and values as they stand behind the ?.
pub(crate) fn address<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing;

    fn selection(text: &str) -> Result<Selection, String> {
        Selection::of(Query::parse(text)?)
    }

    #[test]
    fn a_selection_leads_back_to_its_address() {
        let address =
            "label=spiral&min-confidence=0.5&flag=padded&flag=saturated&sort=-classified_at";
        let read = selection(address).unwrap();
        assert_eq!(read.address(), address);
        assert_eq!(read.request.filter.flags.len(), 2);
        assert!(!read.is_all() && selection("sort=path").unwrap().is_all());
        // As forms leave what was not filled in.
        assert_eq!(
            selection("label=&cone=+&id=").unwrap(),
            Selection::default()
        );
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, fault) in [
            ("label=elliptical", "unknown class 'elliptical'"),
            ("lable=spiral", "did you mean 'label'?"),
            ("sort=rowid", "unknown column 'rowid'"),
            ("min-confidence=%2d1", "must be 0 to 1"),
            ("id=a%00b", "no text has"),
        ] {
            let said = selection(text).unwrap_err();
            assert!(said.contains(fault), "{said}");
        }
        assert!(selection(&"id=1&".repeat(65)).is_err());
        assert!(selection(&format!("id={}", "1".repeat(5000))).is_err());
    }

    #[test]
    fn any_text_is_a_selection_or_is_refused_in_one_line() {
        // Pieces that mean something, put together at random; the numbers are the same at every run.
        let pieces = [
            "label",
            "spiral",
            "=",
            "&",
            "%",
            "%00",
            "%ff",
            "cone",
            "12:22:55.2",
            ",",
            "-",
            "'",
            "\"",
            "sort",
            "confidence",
            "since",
            "yesterday",
            "7d",
            "99999999999999999999",
            "1e400",
            "nan",
            "é",
            "+",
            ";",
            "#",
            "purity",
            "spiral=0.98",
            "set",
            "novelty",
            "limit",
            "\u{202e}",
            "\n",
            "<",
            "0.5",
            "id",
            "flag",
        ];
        let mut state = 1_u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut understood = 0;
        for _ in 0..50_000 {
            let length = next(12);
            let text: String = (0..length).map(|_| pieces[next(pieces.len())]).collect();
            understood += usize::from(fuzzing::selection(text.as_bytes()));
        }
        assert!(understood > 500, "{understood}");
    }
}
