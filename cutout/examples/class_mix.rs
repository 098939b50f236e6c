//! Estimates class mixes, for `scripts/reference_class_mix.py`, which compares them with its own.
//!
//! Standard input is JSON: `prior`, five fractions, and `samples`, each a list of answers of five
//! probabilities. Standard output is a list of the estimates, each with value, low and high for each class.

use std::io;

use galmorph_cutout::{ByClass, ClassMix, Estimate, Morphology, Probabilities};
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    prior: [f64; Morphology::COUNT],
    samples: Vec<Vec<[f32; Morphology::COUNT]>>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Input { prior, samples } = serde_json::from_reader(io::stdin().lock())?;
    let prior = ByClass(prior);
    let mut estimates: Vec<[Estimate; Morphology::COUNT]> = Vec::new();
    for sample in samples {
        let answers = sample.into_iter().map(Probabilities::from_values);
        let mix = ClassMix::estimate(answers, &prior).ok_or("a sample without an answer")?;
        estimates.push(mix.fractions.0);
    }
    serde_json::to_writer(io::stdout().lock(), &estimates)?;
    Ok(())
}
