//! L-BFGS (Liu & Nocedal 1989) for smooth convex functions.

use super::layer::{add, dot};

/// The steps that are remembered.
const MEMORY: usize = 12;

/// The steps at most.
const STEPS: usize = 300;

/// It ends where no derivative is larger than this. The loss is a mean of about 1.
const FLAT: f64 = 1e-6;

/// A step and the change of the gradient that came with it.
struct Seen {
    step: Vec<f64>,
    change: Vec<f64>,
    product: f64,
}

/// Moves `place` to the minimum. `function` returns the value, and writes the gradient.
pub(super) fn minimise(place: &mut Vec<f64>, function: impl Fn(&[f64], &mut [f64]) -> f64) {
    let mut gradient = vec![0.0; place.len()];
    let mut value = function(place, &mut gradient);
    let mut seen: Vec<Seen> = Vec::new();
    let mut next_gradient = gradient.clone();
    for _ in 0..STEPS {
        if gradient.iter().all(|slope| slope.abs() <= FLAT) {
            return;
        }
        let direction = direction(&gradient, &seen);
        let slope = dot(&direction, &gradient);
        let mut length = 1.0;
        let next = loop {
            let mut next = place.clone();
            add(&mut next, length, &direction);
            let next_value = function(&next, &mut next_gradient);
            if next_value <= value + 1e-4 * length * slope {
                value = next_value;
                break next;
            }
            length /= 2.0;
            if length < 1e-9 {
                // Rounding alone decides from here on.
                return;
            }
        };
        let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        let step: Vec<f64> = difference(&next, place);
        let change: Vec<f64> = difference(&next_gradient, &gradient);
        let product = dot(&step, &change);
        if product > 0.0 {
            if seen.len() == MEMORY {
                seen.remove(0);
            }
            seen.push(Seen {
                step,
                change,
                product,
            });
        }
        *place = next;
        gradient.clone_from(&next_gradient);
    }
}

/// The two loops of the method: the gradient, downhill, times the inverse of the second derivatives as far as
/// the steps have shown them.
fn direction(gradient: &[f64], seen: &[Seen]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut factors = Vec::with_capacity(seen.len());
    for one in seen.iter().rev() {
        let factor = dot(&one.step, &direction) / one.product;
        add(&mut direction, -factor, &one.change);
        factors.push(factor);
    }
    if let Some(last) = seen.last() {
        let scale = last.product / dot(&last.change, &last.change);
        for value in &mut direction {
            *value *= scale;
        }
    }
    for (one, factor) in seen.iter().zip(factors.iter().rev()) {
        let back = dot(&one.change, &direction) / one.product;
        add(&mut direction, factor - back, &one.step);
    }
    direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_valley_is_followed_to_its_end() {
        // Curvatures from 1 to 10,000, turned into each other.
        let function = |at: &[f64], gradient: &mut [f64]| {
            let (a, b) = (at[0] + at[1] - 3.0, at[0] - at[1] + 1.0);
            gradient[0] = a + 10_000.0 * b;
            gradient[1] = a - 10_000.0 * b;
            a * a / 2.0 + 5_000.0 * b * b
        };
        let mut place = vec![50.0, -20.0];
        minimise(&mut place, function);
        assert!((place[0] - 1.0).abs() < 1e-6 && (place[1] - 2.0).abs() < 1e-6);
    }
}
