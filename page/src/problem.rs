//! Why there is no page, in words for the one who asked.

use galmorph_catalog::{Filter, Reader};
use hyper::StatusCode;

use crate::catalog::AskError;
use crate::guard::Refusal;
use crate::selection::Selection;

/// Why there is no page, for the one who asked.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn missing() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status, refusal.why)
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::TooLong => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "This question reads more rows than can be read in time. An order by confidence, time, path or object, \
                 and fewer conditions, are quick at any number of rows; galmorph query takes the time that others need.",
            ),
            AskError::Catalog(error) => {
                log::warn!("{error}");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The catalog can't be read just now. The log of galmorph-page says why.",
                )
            }
        }
    }
}

impl From<galmorph_catalog::CatalogError> for Problem {
    fn from(error: galmorph_catalog::CatalogError) -> Self {
        AskError::Catalog(error).into()
    }
}

/// What a selection means in this catalog.
pub(crate) fn resolve(selection: &Selection, catalog: &Reader) -> Result<Filter, Problem> {
    use galmorph_catalog::ask::RequestError;
    selection
        .request
        .clone()
        .resolve(catalog)
        .map_err(|error| match error {
            RequestError::Catalog(error) => error.into(),
            RequestError::Fault(fault) => Problem::bad(fault),
        })
}
