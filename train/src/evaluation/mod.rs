//! What a network answers on labelled images, and everything that is measured of it.
//!
//! [`Classifier`] gives the [`Answers`]; [`Evaluation`] is what they come to, as a file that other
//! commands read; [`tables`] lays it out as the paper does, and [`paper`] has the paper's own figures. How
//! a metric is computed is in [`metrics`](crate::metrics) and nowhere else.

mod agreement;
mod answers;
mod layout;
mod output;
pub mod paper;
mod record;
mod symmetry;
pub mod tables;

pub use agreement::{Agreement, agreement};
pub use answers::{Answers, Classifier, Row, table};
pub use output::{EVALUATION, write};
pub use record::{AtScale, CalibrationReport, CrossFittedError, Evaluation, Subject};
pub use symmetry::Symmetries;
