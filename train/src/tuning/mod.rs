//! Adapts a finished network to the images of another survey, from few labels.
//!
//! First, the network's features stay as they are. Only the last layer, which makes the logits of them, learns: a
//! logistic regression that begins with the old layer and is held to it. So without evidence the model stays
//! what it was. Then, if that is asked for, all layers learn (`training/all_layers.rs`), for as long as it helps.
//!
//! ```text
//! examples   features and classes of the labelled galaxies, and their folds
//! layer      the last layer, as numbers
//! fit        the regression, at one strength of the hold
//! minimise   L-BFGS
//! choice     the strength, by answers out of fold
//! rounds     how long all layers learn, by answers out of fold
//! gain       what it gained
//! curve      accuracy against the number of labels
//! ```
//!
//! Everything here is a function of numbers: no network, no file, no torch.
//!
//! # Classes and their mix
//!
//! Labels of a survey are not a fair sample: people look at the least sure galaxies first, or at a rare class.
//! So each class counts alike in the regression, however many labels it has. That is done for answers in a mix
//! in which all classes are equally common. Then they are turned back to the mix that the model was trained in
//! (the card's prior), and mean what they meant before. Among equally common classes the logits are those
//! of the model minus the logarithm of the prior.

mod choice;
mod curve;
mod examples;
mod fit;
mod gain;
mod layer;
mod minimise;
mod rounds;

pub(crate) use choice::{Choice, choose, chosen, nested};
pub(crate) use curve::{Curve, Way, curve, measured};
pub(crate) use examples::{Examples, LEAST_LABELS};
pub(crate) use gain::{Answered, Gain};
pub(crate) use layer::{LastLayer, Logits};
pub(crate) use rounds::{Rounds, rounds};
