//! Temperature and biases together (Alexandari, Kundaje & Shrikumar 2020): see [`Scaling`].
//!
//! Five numbers are fitted, by the method of Berndt, Hall, Hall & Hausman 1974: Newton's steps, with the
//! outer product of the images' gradients in place of the second derivatives. A step that makes things
//! worse is halved.

use galmorph_cutout::{ByClass, Morphology, Scaling};

use super::calibration::LEAST_PROBABILITY;
use super::temperature::Views;

const CLASSES: usize = Morphology::COUNT;

/// 1/T, and the biases of all classes but the last, whose bias is 0.
type Parameters = [f64; CLASSES];

/// The steps at most; ten are usual.
const STEPS: usize = 100;

/// The least number of images of each class.
const LEAST: usize = 10;

/// The temperature and the biases that make the true classes most likely. `None` if a class has too few
/// images, or if there is no best temperature.
pub(crate) fn fit_biased(images: &[Views]) -> Option<Scaling> {
    let of = |class| images.iter().filter(|image| image.truth == class).count();
    if Morphology::ALL.into_iter().any(|class| of(class) < LEAST) {
        return None;
    }
    let mut parameters = [1.0, 0.0, 0.0, 0.0, 0.0];
    let (mut loss, mut step) = loss_and_step(images, &parameters)?;
    for _ in 0..STEPS {
        let mut scale = 1.0;
        let (next, after) = loop {
            let next: Parameters = std::array::from_fn(|k| parameters[k] + scale * step[k]);
            let after = (next[0] > 0.0)
                .then(|| loss_and_step(images, &next))
                .flatten();
            match after {
                Some(after) if after.0 <= loss => break (next, after),
                _ if scale < 1e-6 => return scaling(&parameters),
                _ => scale /= 2.0,
            }
        };
        let gain = loss - after.0;
        parameters = next;
        (loss, step) = after;
        if gain < 1e-8 * images.len() as f64 {
            break;
        }
    }
    scaling(&parameters)
}

fn scaling(parameters: &Parameters) -> Option<Scaling> {
    let [sharpness, biases @ ..] = parameters;
    // As far as a temperature alone is searched.
    if !(1.0 / 20.0..=20.0).contains(sharpness) {
        return None;
    }
    let mean = biases.iter().sum::<f64>() / CLASSES as f64;
    let mut bias = [-mean as f32; CLASSES];
    for (bias, value) in bias.iter_mut().zip(biases) {
        *bias = (value - mean) as f32;
    }
    Some(Scaling {
        temperature: sharpness.recip() as f32,
        bias: Some(ByClass(bias)),
    })
}

/// The negative log-likelihood of all true classes, in nats, and Newton's step. `None` if it is no number.
fn loss_and_step(images: &[Views], parameters: &Parameters) -> Option<(f64, Parameters)> {
    // A bias of 1 counts as much as half a nat, so that none runs away where the classes never meet.
    let mut loss: f64 = parameters[1..].iter().map(|bias| bias * bias / 2.0).sum();
    let mut gradient: Parameters =
        std::array::from_fn(|k| if k == 0 { 0.0 } else { -parameters[k] });
    let mut information = [[0.0; CLASSES]; CLASSES];
    for (k, line) in information.iter_mut().enumerate() {
        line[k] = 1.0;
    }
    for image in images {
        let Some((likelihood, slope)) = likelihood(image, parameters) else {
            continue;
        };
        loss -= likelihood.ln();
        for k in 0..CLASSES {
            gradient[k] += slope[k] / likelihood;
            for l in 0..CLASSES {
                information[k][l] += slope[k] * slope[l] / (likelihood * likelihood);
            }
        }
    }
    loss.is_finite()
        .then(|| (loss, solved(information, gradient)))
}

/// The probability of the true class, averaged over the views, and its derivatives. `None` without an
/// answer.
fn likelihood(image: &Views, parameters: &Parameters) -> Option<(f64, Parameters)> {
    let truth = image.truth.id();
    let (mut probability, mut slope) = (0.0, [0.0; CLASSES]);
    for row in image.rows {
        if row.iter().any(|p| p.is_nan()) {
            return None;
        }
        // A probability of 0 stays 0.
        let logs = row.map(|p| f64::from(p).ln());
        let bias = |k: usize| {
            if k + 1 < CLASSES {
                parameters[k + 1]
            } else {
                0.0
            }
        };
        let logits: [f64; CLASSES] = std::array::from_fn(|k| parameters[0] * logs[k] + bias(k));
        let largest = logits.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let powers = logits.map(|logit| (logit - largest).exp());
        let total: f64 = powers.iter().sum();
        let softmax = powers.map(|power| power / total);
        let own = softmax[truth] / image.rows.len() as f64;
        if own == 0.0 {
            continue;
        }
        probability += own;
        let possible = softmax.iter().zip(logs).filter(|(p, _)| **p > 0.0);
        let mean: f64 = possible.map(|(p, log)| p * log).sum();
        slope[0] += own * (logs[truth] - mean);
        for k in 0..CLASSES - 1 {
            slope[k + 1] += own * (f64::from(u8::from(k == truth)) - softmax[k]);
        }
    }
    Some((probability.max(LEAST_PROBABILITY), slope))
}

/// Solves a system of linear equations with a positive definite matrix, by Gauss's elimination.
fn solved(mut matrix: [[f64; CLASSES]; CLASSES], mut right: Parameters) -> Parameters {
    for pivot in 0..CLASSES {
        for line in 0..CLASSES {
            if line != pivot {
                let factor = matrix[line][pivot] / matrix[pivot][pivot];
                let above = matrix[pivot];
                for (value, above) in matrix[line].iter_mut().zip(above) {
                    *value -= factor * above;
                }
                right[line] -= factor * right[pivot];
            }
        }
    }
    std::array::from_fn(|k| right[k] / matrix[k][k])
}

#[cfg(test)]
mod tests {
    use super::*;
    use Morphology::{Cigar, EdgeOn};

    type Row = [f32; CLASSES];

    /// 100 images of each class. Cigars and edge-on disks get one of two answers each; the others are known.
    fn images(rows: &[Row; CLASSES]) -> Vec<Views<'_>> {
        let mut images = Vec::new();
        for class in Morphology::ALL {
            for n in 0..100 {
                // One cigar in four is shown as an edge-on disk, and the other way round.
                let shown = match class {
                    Cigar if n % 4 == 0 => EdgeOn,
                    EdgeOn if n % 4 == 0 => Cigar,
                    _ => class,
                };
                images.push(Views {
                    truth: class,
                    rows: std::slice::from_ref(&rows[shown.id()]),
                });
            }
        }
        images
    }

    #[test]
    fn a_class_that_the_network_is_shy_of_gets_a_bias() {
        // It thinks that cigars are rarer by e than they are.
        let e = std::f32::consts::E;
        let normed = |row: Row| row.map(|p| p / row.iter().sum::<f32>());
        let mut rows: [Row; CLASSES] =
            std::array::from_fn(|k| std::array::from_fn(|l| if k == l { 0.996 } else { 0.001 }));
        rows[Cigar.id()] = normed([1e-4, 1e-4, 0.75 / e, 0.25, 1e-4]);
        rows[EdgeOn.id()] = normed([1e-4, 1e-4, 0.25 / e, 0.75, 1e-4]);
        let images = images(&rows);
        let found = fit_biased(&images).unwrap();
        let bias = found.bias.unwrap();
        let difference = bias[Cigar] - bias[EdgeOn];
        assert!((0.9..1.2).contains(&difference), "{found:?}");
        assert!(bias.0.iter().sum::<f32>().abs() < 1e-5);
        let answer = images[200 + 1].at(found).answer.unwrap();
        assert!(
            (answer.values()[Cigar.id()] - 0.75).abs() < 0.02,
            "{answer:?}"
        );
    }

    #[test]
    fn without_images_of_a_class_there_is_no_bias() {
        let rows = [[0.2; CLASSES]; CLASSES];
        let few: Vec<Views> = images(&rows)
            .into_iter()
            .enumerate()
            .filter(|(n, image)| image.truth != Cigar || n % 20 == 0)
            .map(|(_, image)| image)
            .collect();
        assert_eq!(fit_biased(&few), None);
    }
}
