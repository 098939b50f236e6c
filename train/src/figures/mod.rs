//! Figures: the paper's, and the ones that it lacks.
//!
//! Each figure is a function over plain data in a file of its own, and is drawn once, as SVG; the PNG
//! is that same drawing rasterised, so the two can't differ. Charts are drawn with plotters; pages of
//! pictures (galaxies, filters, feature maps) are placed by `page`. The font is built in: a machine
//! without one draws the same.

mod chart;
mod class_counts;
mod collect;
mod feature_maps;
mod figure;
mod filters;
mod layers;
mod measured;
mod page;
pub mod palette;
mod picture;
mod preprocessing;
mod reliability;
mod roc;
mod sample_grid;
mod training_curves;
mod wrong;

pub use class_counts::{SplitCounts, class_counts};
pub use collect::{count_classes, draw_samples, feature_maps_of, filters_of};
pub use feature_maps::{FeatureMaps, feature_maps};
pub use figure::Figure;
pub use filters::{Filters, filters};
pub use layers::{convolutions, feature_layers, named_layers};
pub use measured::{Evaluated, WrongAnswer};
pub use preprocessing::preprocessing;
pub use reliability::{Bin, Reliability, reliability};
pub use roc::{Roc, roc};
pub use sample_grid::{ClassSamples, Sample, choose_samples, sample_grid};
pub use training_curves::training_curves;
pub use wrong::{Mistake, wrong};
