//! How the pixels of an image become those of a view: weights along each axis.

use crate::antialias::Resample;
use crate::resize::{self, Window};
use crate::tap_weights::Taps;
use crate::{Preprocessing, Resampling, Sampling};

impl Preprocessing {
    /// The weights of a view's columns, and those of its rows, for an image of this width and height. Each
    /// value of a view that is not whitened yet is the mean of the image's pixels with the products of the
    /// two.
    ///
    /// [`view_with`](Self::view_with) is for one image on a processor. This is for who computes many views
    /// at once, elsewhere, and wants the same ones.
    ///
    /// # Panics
    /// As `view_with`.
    pub fn taps(&self, (width, height): (u32, u32), sampling: Sampling) -> [Vec<Taps>; 2] {
        let Sampling {
            scale,
            corner: (left, top),
            seeing,
            outside,
        } = sampling;
        let side = self.crop;
        let window = Window { left, top, side };
        match self.resampling {
            Resampling::TensorFlow1Bilinear => {
                self.assert_sharp(sampling);
                [(width, left), (height, top)].map(|(length, first)| {
                    resize::in_image(scale, self.resize, first, side, length)
                })
            }
            Resampling::Antialiased => {
                let resample = Resample {
                    crop: scale,
                    resized: self.resize,
                    window,
                    seeing,
                    outside,
                };
                [(width, left), (height, top)].map(|(length, first)| resample.taps(length, first))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::{Image, Outside};

    /// The view that the weights give, `[3, crop, crop]`.
    fn weighted(preprocessing: &Preprocessing, image: &Image, sampling: Sampling) -> Vec<f32> {
        let [columns, rows] = preprocessing.taps(image.dimensions(), sampling);
        let mut output = Vec::new();
        for plane in 0..3 {
            for row in &rows {
                for column in &columns {
                    let mut sum = 0.0;
                    for (y, weight) in (row.first..).zip(&row.weights) {
                        for (x, share) in (column.first..).zip(&column.weights) {
                            sum += weight * share * image.value(plane, x as u32, y as u32);
                        }
                    }
                    output.push(sum);
                }
            }
        }
        output
    }

    #[test]
    fn the_weights_give_the_view_that_is_made_of_one_image() {
        let paper = Preprocessing {
            resize: 20,
            crop: 16,
            ..Preprocessing::default()
        };
        let antialiased = Preprocessing {
            resampling: Resampling::Antialiased,
            ..paper.clone()
        };
        let plain = Sampling {
            scale: 0,
            corner: (1, 4),
            seeing: 0.0,
            outside: Outside::Black,
        };
        let elsewhere = Sampling {
            seeing: 2.5,
            outside: Outside::Mirrored,
            ..plain
        };
        for (width, height) in [(60, 60), (61, 44), (37, 52), (33, 30)] {
            let image = Image::from(RgbImage::from_fn(width, height, |x, y| {
                Rgb([(x * 7) as u8, (y * 3 + x) as u8, (x * y) as u8])
            }));
            for scale in [1, 20, 41, 60] {
                for (preprocessing, sampling) in [
                    (&paper, plain),
                    (&antialiased, plain),
                    (&antialiased, elsewhere),
                ] {
                    let sampling = Sampling { scale, ..sampling };
                    let mut wanted = vec![0.0; preprocessing.view_len()];
                    let keep = |values: &mut [f32]| {
                        let ours = weighted(preprocessing, &image, sampling);
                        for (ours, wanted) in ours.iter().zip(values) {
                            assert!((ours - *wanted).abs() < 1e-3, "{sampling:?}");
                        }
                    };
                    preprocessing.view_with(&image, sampling, keep, &mut wanted);
                }
            }
        }
    }
}
