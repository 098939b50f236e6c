//! `zscale` and `linear`: a straight line from black to white between two values.

use super::Band;

/// For each band, what is black and what is white.
pub(in super::super) struct Mapping {
    limits: Vec<(f32, f32)>,
}

impl Mapping {
    /// Between the limits of [`zscale`], for each band by itself.
    pub(super) fn zscale(bands: &[Band]) -> Self {
        let limits = bands.iter().map(zscale);
        Self {
            limits: limits.collect(),
        }
    }

    /// Between the lowest and the highest value of all bands.
    pub(super) fn linear(bands: &[Band]) -> Self {
        let values = bands.iter().flat_map(|band| band.pixels.iter().copied());
        let limits = extremes(values.filter(|value| value.is_finite()));
        Self {
            limits: vec![limits; bands.len()],
        }
    }

    /// Shows one pixel; black where a band has no value, or where all of it has one.
    pub(super) fn show(&self, pixel: &mut [f32]) {
        for (value, (low, high)) in pixel.iter_mut().zip(&self.limits) {
            let shown = (*value - low) / (high - low);
            *value = if shown.is_finite() { shown } else { 0.0 };
        }
    }
}

fn extremes(values: impl Iterator<Item = f32>) -> (f32, f32) {
    values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// How many pixels are looked at.
const SAMPLES: usize = 1000;
const CONTRAST: f64 = 0.25;
/// Which part of the samples may be rejected, and how many must be left.
const MOST_REJECTED: f64 = 0.5;
const FEWEST: usize = 5;
const REJECT_AT: f64 = 2.5;
const ROUNDS: usize = 5;

/// The limits that IRAF's `zscale` finds: a line through the sorted values of a sample, without those far
/// from it, made steeper by the contrast. As astropy's `ZScaleInterval`, with its defaults.
fn zscale(band: &Band) -> (f32, f32) {
    // From the bottom, as the pixels are in the file: which of them are sampled depends on it.
    let rows = band.pixels.chunks(band.width).rev();
    let finite: Vec<f32> = rows.flatten().copied().filter(|v| v.is_finite()).collect();
    let step = (finite.len() / SAMPLES).max(1);
    let mut samples: Vec<f64> = finite
        .iter()
        .step_by(step)
        .take(SAMPLES)
        .map(|value| f64::from(*value))
        .collect();
    samples.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return (0.0, 0.0);
    };
    let (mut low, mut high) = (*first, *last);
    let count = samples.len();
    let fewest = FEWEST.max((count as f64 * MOST_REJECTED) as usize);
    let grow = 1.max((count as f64 * 0.01) as usize);
    let mut is_bad = vec![false; count];
    let (mut good, mut good_before) = (count, count + 1);
    let mut slope = 0.0;
    for _ in 0..ROUNDS {
        if good >= good_before || good < fewest {
            break;
        }
        let line = fit(&samples, &is_bad);
        slope = line.1;
        let flat: Vec<f64> = (samples.iter().enumerate())
            .map(|(index, value)| value - (line.0 + line.1 * index as f64))
            .collect();
        let threshold = REJECT_AT * deviation(&flat, &is_bad);
        for (bad, value) in is_bad.iter_mut().zip(&flat) {
            *bad |= value.abs() > threshold;
        }
        is_bad = dilated(&is_bad, grow);
        good_before = good;
        good = is_bad.iter().filter(|bad| !**bad).count();
    }
    if good >= fewest {
        let slope = slope / CONTRAST;
        let centre = (count - 1) / 2;
        let median = f64::midpoint(samples[(count - 1) / 2], samples[count / 2]);
        low = low.max(median - (centre as f64 - 1.0) * slope);
        high = high.min(median + (count - centre) as f64 * slope);
    }
    (low as f32, high as f32)
}

/// The line of least squares through the values that are not bad: its value at 0 and its slope.
fn fit(values: &[f64], is_bad: &[bool]) -> (f64, f64) {
    let good = || (0..values.len()).filter(|index| !is_bad[*index]);
    let count = good().count() as f64;
    let mean_x = good().map(|x| x as f64).sum::<f64>() / count;
    let mean_y = good().map(|x| values[x]).sum::<f64>() / count;
    let (mut products, mut squares) = (0.0, 0.0);
    for x in good() {
        let distance = x as f64 - mean_x;
        products += distance * (values[x] - mean_y);
        squares += distance * distance;
    }
    let slope = if squares > 0.0 {
        products / squares
    } else {
        0.0
    };
    (mean_y - slope * mean_x, slope)
}

/// The standard deviation of the values that are not bad.
fn deviation(values: &[f64], is_bad: &[bool]) -> f64 {
    let good = || values.iter().zip(is_bad).filter(|(_, bad)| !**bad);
    let count = good().count() as f64;
    let mean = good().map(|(value, _)| value).sum::<f64>() / count;
    let variance = good().map(|(value, _)| (value - mean).powi(2)).sum::<f64>() / count;
    variance.sqrt()
}

/// Marks what lies within a window of `width` around a marked one, as numpy's `convolve` in mode `same` does:
/// a window of even width reaches one further back than ahead.
fn dilated(marks: &[bool], width: usize) -> Vec<bool> {
    let back = width / 2;
    let ahead = (width - 1) / 2;
    let mut wider = vec![false; marks.len()];
    for (index, mark) in marks.iter().enumerate() {
        if *mark {
            let end = (index + back + 1).min(marks.len());
            wider[index.saturating_sub(ahead)..end].fill(true);
        }
    }
    wider
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(pixels: &[f32]) -> Band {
        Band {
            name: None,
            width: 1,
            pixels: pixels.to_vec(),
        }
    }

    #[test]
    fn bands_keep_their_ratio_in_linear_alone() {
        let bands = [band(&[0.0, 1.0]), band(&[0.0, 4.0]), band(&[0.0, 2.0])];
        let shown = |mapping: Mapping| {
            let mut pixel = [1.0, 4.0, 2.0];
            mapping.show(&mut pixel);
            pixel
        };
        assert_eq!(shown(Mapping::linear(&bands)), [0.25, 1.0, 0.5]);
        let [red, green, blue] = shown(Mapping::zscale(&bands));
        assert_eq!((red, green, blue), (1.0, 1.0, 1.0));
    }

    #[test]
    fn one_value_and_no_value_are_black() {
        for value in [3.0, f32::NAN] {
            let bands = [band(&[value; 50])];
            for mapping in [Mapping::linear(&bands), Mapping::zscale(&bands)] {
                let mut pixel = [value];
                mapping.show(&mut pixel);
                assert_eq!(pixel, [0.0]);
            }
        }
    }
}
