//! Which rows are wanted, as people say it: a filter, and what needs a model's card to become one.

use galmorph_cutout::{ModelCard, Morphology};

use super::{cone, flag, label, probability, purity, time, unknown};
use crate::columns::{Column, classified_columns};
use crate::{CatalogError, Filter, Order, Reader};

/// Which rows are wanted, before the catalog was asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// What needs no catalog to be understood. Its `least`, `novelty` and `order` follow from the rest.
    pub filter: Filter,
    /// A sample of a class with this purity.
    pub purity: Option<(Morphology, f64)>,
    /// A number, or `limit` for the model's own.
    pub novelty: Option<String>,
    /// A column, with a minus before it for the largest first.
    pub sort: Option<String>,
}

/// Why a request is none that the catalog can answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The catalog can't be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// What is asked for makes no sense here.
    #[error("{0}")]
    Fault(String),
}

impl Request {
    /// The names that [`set`](Self::set) knows: those of the flags of `galmorph query` that choose rows.
    pub const NAMES: [&str; 17] = [
        "label",
        "label-balanced",
        "min-confidence",
        "max-confidence",
        "purity",
        "set",
        "novelty",
        "since",
        "until",
        "id",
        "cone",
        "with-position",
        "flag",
        "no-flag",
        "reviewed",
        "model",
        "sort",
    ];

    /// Adds what a flag of `galmorph query` says, by its name without the dashes. What is no more than present on the
    /// command line has the value `yes`.
    ///
    /// # Errors
    /// In words, for a name that is none of [`NAMES`](Self::NAMES) and a value that makes no sense.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let at = |fault: String| format!("{name}: {fault}");
        let filter = &mut self.filter;
        match name {
            "label" => filter.label = Some(label(value).map_err(at)?),
            "label-balanced" => filter.label_balanced = Some(label(value).map_err(at)?),
            "min-confidence" => filter.min_confidence = Some(probability(value).map_err(at)?),
            "max-confidence" => filter.max_confidence = Some(probability(value).map_err(at)?),
            "purity" => self.purity = Some(purity(value).map_err(at)?),
            "set" => {
                for class in value.split(',') {
                    filter.set.push(label(class).map_err(at)?);
                }
            }
            "novelty" => self.novelty = Some(value.to_owned()),
            "since" => filter.since = Some(time(value).map_err(at)?),
            "until" => filter.until = Some(time(value).map_err(at)?),
            "id" => filter.object_id = Some(value.to_owned()),
            "cone" => filter.cone = Some(cone(value).map_err(at)?),
            "with-position" => filter.with_position = yes(value).map_err(at)?,
            "flag" => filter.flags.push(flag(value).map_err(at)?),
            "no-flag" => filter.no_flags.push(flag(value).map_err(at)?),
            "reviewed" => filter.reviewed = yes(value).map_err(at)?,
            "model" => filter.model = Some(value.to_owned()),
            "sort" => {
                self.sort = Some(value.to_owned());
                self.order(&classified_columns())?;
            }
            _ => return Err(unknown("filter", name, &Self::NAMES)),
        }
        Ok(())
    }

    /// The order, which has to be by one of these columns.
    ///
    /// # Errors
    /// In words, if it is by no such column.
    pub fn order(&self, columns: &[Column]) -> Result<Option<Order>, String> {
        let Some(text) = &self.sort else {
            return Ok(None);
        };
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (&**text, false),
        };
        let known: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        if !known.contains(&name) {
            return Err(unknown("column", name, &known));
        }
        Ok(Some(Order {
            column: name.to_owned(),
            descending,
        }))
    }

    /// Whether catalogs of all versions can answer it, but for its order.
    pub fn is_of_any_version(&self) -> bool {
        let filter = &self.filter;
        let of_any_version = Filter {
            label: filter.label,
            min_confidence: filter.min_confidence,
            max_confidence: filter.max_confidence,
            limit: filter.limit,
            ..Filter::default()
        };
        *filter == of_any_version && self.purity.is_none() && self.novelty.is_none()
    }

    /// The filter, with what the card of the model says of the rows that are wanted.
    pub fn resolve(self, catalog: &Reader) -> Result<Filter, RequestError> {
        let order = self
            .order(&classified_columns())
            .map_err(RequestError::Fault)?;
        let mut filter = Filter {
            order,
            ..self.filter
        };
        if let Some(name) = &filter.model {
            let known = catalog.model_names()?;
            if !known.contains(name) {
                return Err(RequestError::Fault(unknown("model", name, &known)));
            }
        }
        let needs_card = self.purity.is_some()
            || self.novelty.is_some()
            || !filter.set.is_empty()
            || filter.label_balanced.is_some();
        if !needs_card {
            return Ok(filter);
        }
        let card = catalog.card(filter.model.as_deref())?;
        let card: Option<ModelCard> = card
            .map(|card| serde_json::from_str(&card))
            .transpose()
            .map_err(|error| {
                let fault = format!("the model's card in the catalog can't be read: {error}");
                RequestError::Fault(fault)
            })?;
        let lacks =
            |what: &str| RequestError::Fault(format!("the model in use says nothing of {what}"));
        if let Some((class, wanted)) = self.purity {
            let purity = card.as_ref().and_then(|card| card.purity.as_ref());
            let purity = purity.ok_or_else(|| lacks("the purity of samples (--purity)"))?;
            let level = purity.level(class, wanted).ok_or_else(|| {
                RequestError::Fault(format!(
                    "the model reaches no purity of {wanted} for {class}"
                ))
            })?;
            filter.least.push((class, level.threshold));
        }
        if !filter.set.is_empty() && card.as_ref().is_none_or(|card| card.conformal.is_none()) {
            return Err(lacks("sets of classes (--set)"));
        }
        if filter.label_balanced.is_some() && card.as_ref().is_none_or(|card| card.prior.is_none())
        {
            return Err(lacks(
                "the class mix on which it was trained (--label-balanced)",
            ));
        }
        if let Some(text) = &self.novelty {
            let novelty = card.as_ref().and_then(|card| card.novelty.as_ref());
            let novelty = novelty.ok_or_else(|| lacks("how novel images are (--novelty)"))?;
            let least = match &**text {
                "limit" => Some(novelty.threshold),
                number => number.parse().ok().filter(|least: &f64| least.is_finite()),
            };
            filter.novelty = Some(least.ok_or_else(|| {
                RequestError::Fault("--novelty must be a number or limit".into())
            })?);
        }
        Ok(filter)
    }
}

fn yes(value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        _ => Err("must be yes, or left out".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_understood_and_no_other() {
        for (name, value) in Request::NAMES.into_iter().zip([
            "Edge-on",
            "cigar",
            "0.5",
            "0.9",
            "spiral=0.98",
            "spiral,edge_on",
            "limit",
            "2026-11-27",
            "yesterday",
            "587722981741363294",
            "150.5,2.5,15'",
            "yes",
            "saturated",
            "padded",
            "yes",
            "zhu2019",
            "-confidence",
        ]) {
            let mut request = Request::default();
            request.set(name, value).unwrap();
            assert_ne!(request, Request::default(), "{name}");
        }
        let mut request = Request::default();
        for (name, value, fault) in [
            ("lable", "spiral", "did you mean 'label'?"),
            ("label", "elliptical", "label: unknown class 'elliptical'"),
            ("min-confidence", "95", "did you mean 0.95?"),
            ("reviewed", "", "reviewed: must be yes"),
            ("sort", "certainty", "unknown column 'certainty'"),
            ("cone", "1,2", "cone: must be RA,DEC,RADIUS"),
        ] {
            let said = request.set(name, value).unwrap_err();
            assert!(said.contains(fault), "{said}");
        }
    }
}
