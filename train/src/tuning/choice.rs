//! How much the new layer is held to the old one: chosen by answers out of fold.

use super::Examples;
use super::examples::FOLDS;
use super::fit::{Fitted, fit};
use super::gain::losses;
use super::layer::{LastLayer, Logits};
use crate::data::in_parallel;
use crate::error::Result;

/// The holds that are tried, from the one that changes least. Before all of them comes the old layer itself.
pub(crate) const STRENGTHS: [f64; 9] = [1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4];

/// After this many holds in a row that were worse than the best, no smaller one is tried.
const PATIENCE: usize = 2;

/// The hold with the best answers out of fold.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// The hold; `None` if the old layer is best as it is.
    pub(crate) hold: Option<f64>,
    /// What was tried, and the mean negative log-likelihood out of fold, each class counting alike.
    pub(crate) tried: Vec<(Option<f64>, f64)>,
}

/// Chooses the hold for some galaxies. Each fifth of them is answered by a layer that was fitted to the others.
pub(crate) fn choose(
    examples: &Examples,
    of: &[usize],
    start: &LastLayer,
    log_prior: &Logits,
    seed: u64,
) -> Choice {
    let folds = examples.folds(of, seed);
    let weights = examples.weights(of);
    let mean = |losses: &[f64]| -> f64 { losses.iter().zip(&weights).map(|(l, w)| l * w).sum() };
    let unchanged: Vec<Vec<Logits>> = of.iter().map(|g| examples.logits(*g, start)).collect();
    let unchanged = losses(examples, of, &unchanged, log_prior);
    let mut tried = vec![(None, mean(&unchanged))];
    let mut all = vec![unchanged];
    let mut best = tried[0];
    let mut worse = 0;
    let mut fits: [Option<Fitted>; FOLDS] = [const { None }; FOLDS];
    for hold in STRENGTHS {
        let mut answers = vec![Vec::new(); of.len()];
        for (fold, begun) in fits.iter_mut().enumerate() {
            let (own, others) = split(of, &folds, fold);
            if own.is_empty() || others.is_empty() {
                continue;
            }
            let fitted = fit(examples, &others, start, log_prior, hold, begun.as_ref());
            for place in own {
                answers[place] = examples.logits(of[place], &fitted.layer);
            }
            *begun = Some(fitted);
        }
        let own = losses(examples, of, &answers, log_prior);
        let loss = mean(&own);
        tried.push((Some(hold), loss));
        all.push(own);
        if loss < best.1 {
            best = (Some(hold), loss);
            worse = 0;
        } else {
            worse += 1;
            if worse >= PATIENCE && best.0.is_some() {
                break;
            }
        }
    }
    // The one that changes least among those that are as good as the best, up to one standard error of the
    // difference (Breiman et al. 1984, section 3.4.3). With few labels the best is the best by chance.
    let best = tried.iter().position(|one| *one == best).unwrap_or(0);
    let is_as_good = |place: &usize| {
        let worse: Vec<f64> = (all[*place].iter().zip(&all[best]))
            .map(|(loss, least)| loss - least)
            .collect();
        let difference = mean(&worse);
        let squares = worse.iter().zip(&weights);
        let variance: f64 = squares.map(|(d, w)| (w * (d - difference)).powi(2)).sum();
        difference <= variance.sqrt()
    };
    let chosen = (0..=best).find(is_as_good).unwrap_or(best);
    Choice {
        hold: tried[chosen].0,
        tried,
    }
}

/// The answer to each galaxy by a layer that knows nothing of it: neither it nor the hold was fitted with this
/// galaxy's label. In the order of the examples.
pub(crate) fn nested(
    examples: &Examples,
    start: &LastLayer,
    log_prior: &Logits,
    seed: u64,
    threads: usize,
) -> Result<Vec<Vec<Logits>>> {
    let all: Vec<usize> = (0..examples.len()).collect();
    let folds = examples.folds(&all, seed);
    let answered = in_parallel(FOLDS, threads, |fold| {
        let (own, others) = split(&all, &folds, fold);
        // Other folds than these, or the inner ones would always lack the same galaxies.
        let choice = choose(
            examples,
            &others,
            start,
            log_prior,
            seed ^ (fold as u64 + 1),
        );
        let layer = chosen(examples, &others, start, log_prior, &choice);
        let answers = own.iter().map(|g| (*g, examples.logits(*g, &layer)));
        Ok(answers.collect::<Vec<_>>())
    })?;
    let mut answers = vec![Vec::new(); all.len()];
    for (galaxy, answer) in answered.into_iter().flatten() {
        answers[galaxy] = answer;
    }
    Ok(answers)
}

/// The layer at the hold that was chosen, fitted to all of some galaxies.
pub(crate) fn chosen(
    examples: &Examples,
    of: &[usize],
    start: &LastLayer,
    log_prior: &Logits,
    choice: &Choice,
) -> LastLayer {
    choice.hold.map_or_else(
        || start.clone(),
        |hold| fit(examples, of, start, log_prior, hold, None).layer,
    )
}

/// The places of a fold's galaxies, and the galaxies of the others.
pub(super) fn split(of: &[usize], folds: &[usize], fold: usize) -> (Vec<usize>, Vec<usize>) {
    let own = (0..of.len())
        .filter(|place| folds[*place] == fold)
        .collect();
    let others = of.iter().zip(folds).filter(|(_, f)| **f != fold);
    (own, others.map(|(galaxy, _)| *galaxy).collect())
}

#[cfg(test)]
mod tests {
    use super::super::examples::tests::examples;
    use super::super::layer::CLASSES;
    use super::*;

    const EVEN: Logits = [0.0; CLASSES];

    /// About the best layer for galaxies of classes that overlap.
    fn good() -> LastLayer {
        let train = examples([1000; CLASSES], 0.5, 5);
        let all: Vec<usize> = (0..train.len()).collect();
        fit(
            &train,
            &all,
            &LastLayer::ignorant(3, &EVEN),
            &EVEN,
            1e-7,
            None,
        )
        .layer
    }

    #[test]
    fn a_good_layer_stays_and_a_bad_one_goes() {
        let labelled = examples([12; CLASSES], 0.5, 6);
        let all: Vec<usize> = (0..labelled.len()).collect();
        let choice = choose(&labelled, &all, &good(), &EVEN, 1);
        assert!(choice.hold.is_none_or(|hold| hold >= 0.1), "{choice:?}");
        let bad = LastLayer {
            weight: good().weight.iter().map(|weight| -weight).collect(),
            ..good()
        };
        let choice = choose(&labelled, &all, &bad, &EVEN, 1);
        let (before, after) = (choice.tried[0].1, choice.tried.iter().map(|t| t.1));
        let after = after.fold(f64::INFINITY, f64::min);
        assert!(choice.hold.is_some_and(|hold| hold <= 0.03), "{choice:?}");
        assert!(after < before / 2.0, "{choice:?}");
    }

    #[test]
    fn labels_that_contradict_the_features_change_nothing() {
        let mut labelled = examples([12; CLASSES], 1.0, 6);
        // The features say nothing of these classes.
        labelled.classes.rotate_left(7);
        labelled.features.fill(0.5);
        let all: Vec<usize> = (0..labelled.len()).collect();
        let ignorant = LastLayer::ignorant(3, &EVEN);
        assert_eq!(choose(&labelled, &all, &ignorant, &EVEN, 1).hold, None);
    }

    #[test]
    fn an_answer_does_not_depend_on_the_galaxys_own_label() {
        let labelled = examples([12; CLASSES], 0.7, 6);
        let answers = |examples: &Examples| nested(examples, &good(), &EVEN, 1, 2).unwrap();
        let before = answers(&labelled);
        assert!(before.iter().all(|views| views.len() == 2));
        assert_eq!(answers(&labelled), before);
        let all: Vec<usize> = (0..labelled.len()).collect();
        let loss = losses(&labelled, &all, &before, &EVEN);
        assert!(loss.iter().all(|loss| loss.is_finite()));
    }
}
