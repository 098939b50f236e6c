//! A network on labelled images, and what is measured of it.
//!
//! ```text
//! answers    a network's outputs on a dataset
//! measure    how they are best scaled, and how often they are right
//! balanced   the decision by equal recall
//! by         accuracy by magnitude, size or any other column
//! clusters   references among features
//! symmetry   the same image in eight positions
//! test_views the views of a dataset, made once
//! record     everything that was measured, as evaluation.json
//! layout, tables, paper    the paper's tables, and the paper's own numbers
//! trust      tables of calibration, sets and samples
//! output     the files of an evaluation
//! predictions  the answers, read back
//! npy        features as a NumPy array
//! neighbours the training galaxies most like an image
//! occlusion  what an answer depends on
//! agreement  two models on the same images
//! epoch      what an epoch of training came to
//! ```
//!
//! How a metric is computed stands in `metrics` and nowhere else.

mod agreement;
mod answers;
mod balanced;
pub(crate) mod by;
mod clusters;
mod epoch;
mod layout;
mod measure;
mod neighbours;
mod npy;
mod occlusion;
mod output;
mod paper;
mod predictions;
mod record;
mod symmetry;
pub mod tables;
mod test_views;
pub(crate) mod trust;

pub(crate) use agreement::{Against, against};
pub(crate) use answers::Answers;
pub use answers::{Classifier, Row};
pub(crate) use balanced::Balanced;
pub(crate) use by::{ByColumn, by_column};
pub(crate) use clusters::centres;
pub use epoch::EpochRecord;
pub(crate) use measure::table;
pub(crate) use neighbours::{FeaturesOrigin, Neighbour, TrainingFeatures};
pub use output::EVALUATION;
pub(crate) use output::PREDICTIONS;
pub(crate) use output::{EvaluationFolder, Extent};
pub(crate) use paper::Figures;
pub(crate) use predictions::read_predictions;
pub use record::Evaluation;
pub(crate) use record::{Subject, Variant};
pub(crate) use symmetry::Symmetries;
pub(crate) use test_views::TestViews;
