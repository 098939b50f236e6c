//! How long all layers learn: chosen by answers out of fold.

use super::Examples;
use super::choice::{choose, chosen, split};
use super::examples::FOLDS;
use super::gain::losses;
use super::layer::{LastLayer, Logits};
use crate::error::Result;

/// For each round, the answers to some galaxies: the logits of each view.
pub(crate) type ByRound = Vec<Vec<Vec<Logits>>>;

/// What learning in all layers reaches on galaxies that were not learned from.
pub(crate) struct Rounds {
    /// The answers, in the order of the examples. The number of rounds for a fold is the best one of the others, so that
    /// no galaxy's label has a say in its own answer.
    pub(crate) answers: Vec<Vec<Logits>>,
    /// The best number of rounds for all galaxies, from 1.
    pub(crate) best: usize,
    /// The mean negative log-likelihood after each round, each class counting alike.
    pub(crate) tried: Vec<f64>,
}

/// Answers each fold by a network that learned from the others, and chooses the number of rounds. `learn` begins with a
/// last layer, learns from the first galaxies, and answers the others after each round.
///
/// # Errors
/// Those of `learn`.
pub(crate) fn rounds(
    examples: &Examples,
    start: &LastLayer,
    log_prior: &Logits,
    seed: u64,
    mut learn: impl FnMut(&LastLayer, &[usize], &[usize]) -> Result<ByRound>,
) -> Result<Rounds> {
    let all: Vec<usize> = (0..examples.len()).collect();
    let folds = examples.folds(&all, seed);
    let mut by_round: ByRound = Vec::new();
    for fold in 0..FOLDS {
        let (own, others) = split(&all, &folds, fold);
        // The same inner folds as where the last layer alone learns.
        let seed = seed ^ (fold as u64 + 1);
        let choice = choose(examples, &others, start, log_prior, seed);
        let layer = chosen(examples, &others, start, log_prior, &choice);
        for (round, answers) in learn(&layer, &others, &own)?.into_iter().enumerate() {
            if by_round.len() <= round {
                by_round.push(vec![Vec::new(); all.len()]);
            }
            for (galaxy, answer) in own.iter().zip(answers) {
                by_round[round][*galaxy] = answer;
            }
        }
    }
    let weights = examples.weights(&all);
    let losses: Vec<Vec<f64>> = (by_round.iter())
        .map(|answers| losses(examples, &all, answers, log_prior))
        .collect();
    // The mean over the galaxies of some folds.
    let mean = |losses: &[f64], of: &dyn Fn(usize) -> bool| -> f64 {
        let counted = all.iter().filter(|galaxy| of(folds[**galaxy]));
        let (sum, weight) = counted.fold((0.0, 0.0), |(sum, weight), galaxy| {
            let own = weights[*galaxy];
            (sum + own * losses[*galaxy], weight + own)
        });
        sum / weight
    };
    let best = |of: &dyn Fn(usize) -> bool| -> usize {
        let means = losses.iter().map(|losses| mean(losses, of));
        let least = means.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        least.map_or(0, |(round, _)| round)
    };
    let mut answers = Vec::with_capacity(all.len());
    let of_fold: [usize; FOLDS] = std::array::from_fn(|fold| best(&|other| other != fold));
    for galaxy in &all {
        answers.push(std::mem::take(
            &mut by_round[of_fold[folds[*galaxy]]][*galaxy],
        ));
    }
    Ok(Rounds {
        answers,
        best: best(&|_| true) + 1,
        tried: losses
            .iter()
            .map(|losses| mean(losses, &|_| true))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::examples::tests::examples;
    use super::super::layer::CLASSES;
    use super::*;

    const EVEN: Logits = [0.0; CLASSES];

    /// Answers that are best after the second of three rounds.
    fn answers(labelled: &Examples, of: &[usize]) -> ByRound {
        let sure = |by: f64| {
            let answer = |galaxy: &usize| {
                let mut logits = EVEN;
                logits[labelled.classes[*galaxy].id()] = by;
                vec![logits; 2]
            };
            of.iter().map(answer).collect()
        };
        vec![sure(1.0), sure(3.0), sure(2.0)]
    }

    #[test]
    fn the_best_round_is_found_and_its_answers_are_those_out_of_fold() {
        let labelled = examples([12; CLASSES], 0.5, 6);
        let ignorant = LastLayer::ignorant(3, &EVEN);
        let mut answered = Vec::new();
        let found = rounds(&labelled, &ignorant, &EVEN, 1, |_, from, of| {
            assert!(of.iter().all(|galaxy| !from.contains(galaxy)));
            assert_eq!(from.len() + of.len(), labelled.len());
            answered.extend_from_slice(of);
            Ok(answers(&labelled, of))
        });
        let found = found.unwrap();
        assert_eq!((found.best, found.tried.len()), (2, 3));
        assert!(found.tried[1] < found.tried[2] && found.tried[2] < found.tried[0]);
        answered.sort_unstable();
        assert_eq!(answered, (0..labelled.len()).collect::<Vec<_>>());
        let all: Vec<usize> = (0..labelled.len()).collect();
        assert_eq!(found.answers, answers(&labelled, &all)[1]);
    }
}
