//! Figures: those of the paper, and others.
//!
//! Each figure is a function over plain data in a file of its own. It is drawn once, as SVG; the PNG is
//! that drawing rasterised, so the two can't differ. plotters draws the charts, `page` lays out pages of
//! pictures (galaxies, filters, feature maps). The font is built in, so that every machine draws the
//! same.

mod chart;
mod class_counts;
mod collect;
mod feature_maps;
mod figure;
mod filters;
mod layers;
mod measured;
mod page;
pub(crate) mod palette;
mod picture;
mod preprocessing;
mod purity;
mod reliability;
mod roc;
mod sample_grid;
#[cfg(test)]
mod tests;
mod training_curves;
mod training_views;
mod why;
mod wrong;

pub(crate) use collect::{count_classes, draw_samples, feature_maps_of, filters_of};
pub(crate) use figure::Figure;
pub(crate) use measured::Evaluated;
pub(crate) use preprocessing::preprocessing;
pub(crate) use purity::purity;
pub(crate) use reliability::reliability;
pub(crate) use roc::roc;
pub(crate) use sample_grid::choose_samples;
pub(crate) use training_curves::training_curves;
pub(crate) use training_views::training_views;
pub(crate) use why::{Explained, why};

use class_counts::{SplitCounts, class_counts};
use feature_maps::{FeatureMaps, feature_maps};
use filters::{Filters, filters};
use layers::{convolutions, feature_layers, named_layers};
use reliability::{Bin, Reliability};
use roc::Roc;
use sample_grid::{ClassSamples, Sample, sample_grid};
use wrong::{Mistake, wrong};
