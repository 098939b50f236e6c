//! What an answer depends on: parts of the image are covered, one after the other, and the network answers again.
//!
//! Zeiler & Fergus 2014, *Visualizing and Understanding Convolutional Networks*, ECCV, section 4.2, cover an image
//! with a grey square, place after place, and map how far the probability of its class falls. So does this module,
//! which knows no network: whoever has one answers the covered views.
//!
//! - The square is a patch of the view as the network gets it, after whitening, of the view's mean. What is not covered
//!   stays as it was. A patch that were put on the image before would change the brightness of all the rest.
//! - Its side is an eighth of the view's, and it moves by half of that, so that a place is covered four times. The
//!   view of `galmorph-1` has 128 pixels: a patch of 16 pixels, 225 places. In Galaxy Zoo's frame that is 0.44 petroR90.
//! - A model with several test scales shows an image in several views. A patch lies at the same place of the image in
//!   all of them, and the answer is the mean that the model gives. So the map is of one frame, that of the widest view.
//!
//! A map shows on what the answer depends where it is covered. It doesn't say why. A patch is itself something that the
//! network never saw in training, and where two parts say the same, neither alone is missed.

use image::{Rgb, RgbImage};

use crate::{Morphology, Preprocessing, Probabilities};

/// How many patches lie side by side in a view, without overlap.
const ACROSS: u32 = 8;

/// The change of the probability that is drawn in full colour, if no place changes it by more.
const LEAST_RANGE: f32 = 0.1;

/// How much of a pixel's colour at most is the map's. The rest shows the galaxy.
const STRONGEST: f32 = 0.7;

/// The places where an image's views are covered.
#[derive(Debug, Clone)]
pub struct Occlusion {
    preprocessing: Preprocessing,
    patch: u32,
    /// The first columns of the patches in the widest view, which are their first rows, too.
    corners: Vec<u32>,
}

/// How far the probability of an image's class falls where the image is covered.
#[derive(Debug, Clone, PartialEq)]
pub struct OcclusionMap {
    /// The answer to the whole image.
    pub answer: Probabilities,
    /// The side of the widest view, in pixels.
    pub side: u32,
    /// The side of a patch, in pixels of the widest view.
    pub patch: u32,
    /// The first columns of the patches, which are their first rows, too.
    pub corners: Vec<u32>,
    /// How far the probability of the answer's class falls: a row for each row of patches. Below 0 where it rises.
    pub falls: Vec<f32>,
}

/// A patch, and what it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Covered {
    /// Its first column in the widest view.
    pub left: u32,
    /// Its first row.
    pub top: u32,
    /// How far the probability falls.
    pub fall: f32,
}

impl Occlusion {
    /// The places for a model's views.
    pub fn of(preprocessing: &Preprocessing) -> Self {
        let side = preprocessing.crop;
        let patch = (side / ACROSS).max(1);
        let step = (patch / 2).max(1);
        let mut corners: Vec<u32> = (0..=side - patch).step_by(step as usize).collect();
        // Where the steps don't come out even, the last patch still reaches the edge.
        if corners.last() != Some(&(side - patch)) {
            corners.push(side - patch);
        }
        Self {
            preprocessing: preprocessing.clone(),
            patch,
            corners,
        }
    }

    /// The number of places.
    pub const fn places(&self) -> usize {
        self.corners.len() * self.corners.len()
    }

    /// Covers one place after the other. `views` are those of one image, as
    /// [`Preprocessing::views`] gives them; `answer` gets the views of up to `at_once` images and answers each.
    ///
    /// # Errors
    /// The first of `answer`.
    ///
    /// # Panics
    /// If `views` are not those of one image, or there are not as many answers as images.
    pub fn map<E>(
        &self,
        views: &[f32],
        at_once: usize,
        mut answer: impl FnMut(&[f32]) -> Result<Vec<Probabilities>, E>,
    ) -> Result<OcclusionMap, E> {
        let whole = one(&answer(views)?);
        let class = whole.label();
        let places: Vec<usize> = (0..self.places()).collect();
        let mut falls = Vec::with_capacity(places.len());
        for some in places.chunks(at_once.max(1)) {
            let mut covered = Vec::with_capacity(some.len() * views.len());
            for place in some {
                let first = covered.len();
                covered.extend_from_slice(views);
                self.cover(*place, &mut covered[first..]);
            }
            let answers = answer(&covered)?;
            assert_eq!(answers.len(), some.len(), "not an answer to each image");
            falls.extend((answers.iter()).map(|answer| fall(&whole, answer, class)));
        }
        Ok(OcclusionMap {
            answer: whole,
            side: self.preprocessing.crop,
            patch: self.patch,
            corners: self.corners.clone(),
            falls,
        })
    }

    /// Covers one place in all views of an image.
    fn cover(&self, place: usize, views: &mut [f32]) {
        let count = self.corners.len();
        let (left, top) = (self.corners[place % count], self.corners[place / count]);
        let side = self.preprocessing.crop as usize;
        let length = self.preprocessing.view_len();
        assert_eq!(views.len(), self.preprocessing.view_count() * length);
        for (scale, view) in
            (self.preprocessing.test_scales.iter()).zip(views.chunks_exact_mut(length))
        {
            let [columns, rows] = [left, top]
                .map(|first| self.in_view(first, *scale)..self.in_view(first + self.patch, *scale));
            for plane in view.chunks_exact_mut(side * side) {
                for row in rows.clone() {
                    // The mean of a whitened view.
                    plane[row * side..][columns.clone()].fill(0.0);
                }
            }
        }
    }

    /// Where an edge between pixels of the widest view lies in the view at another scale, to the nearest pixel.
    fn in_view(&self, edge: u32, scale: u32) -> usize {
        let Preprocessing { resize, crop, .. } = self.preprocessing;
        // A view is a window of the resized crop, and the crops of all scales have one centre.
        let margin = f64::from((resize - crop) / 2) - f64::from(resize) / 2.0;
        let ratio = f64::from(self.preprocessing.largest_scale()) / f64::from(scale);
        let place = (f64::from(edge) + margin) * ratio - margin;
        place.round().clamp(0.0, f64::from(crop)) as usize
    }
}

impl OcclusionMap {
    /// The patch that the answer misses most.
    pub fn most(&self) -> Covered {
        let count = self.corners.len();
        let mut most = 0;
        for (place, fall) in self.falls.iter().enumerate() {
            if *fall > self.falls[most] {
                most = place;
            }
        }
        Covered {
            left: self.corners[most % count],
            top: self.corners[most / count],
            fall: self.falls[most],
        }
    }

    /// The map pixel by pixel of the widest view, row-major: the mean of all patches that cover the pixel.
    pub fn pixels(&self) -> Vec<f32> {
        let side = self.side as usize;
        let mut sums = vec![(0.0_f64, 0_u32); side * side];
        let count = self.corners.len();
        for (place, fall) in self.falls.iter().enumerate() {
            let (left, top) = (self.corners[place % count], self.corners[place / count]);
            for row in top..top + self.patch {
                let first = row as usize * side + left as usize;
                for (sum, patches) in &mut sums[first..][..self.patch as usize] {
                    *sum += f64::from(*fall);
                    *patches += 1;
                }
            }
        }
        let mean = |(sum, patches): (f64, u32)| (sum / f64::from(patches)) as f32;
        sums.into_iter().map(mean).collect()
    }

    /// The change of the probability that [`over`](Self::over) draws in full colour: the largest of the pixels, and a
    /// tenth at least. So a map of an answer that depends on no place alone stays pale.
    pub fn range(&self) -> f32 {
        let largest = |most: f32, pixel: f32| most.max(pixel.abs());
        self.pixels().into_iter().fold(LEAST_RANGE, largest)
    }

    /// The colour of a change of the probability, from -1, where it rises by the [range](Self::range), to 1, where it
    /// falls by that. Okabe and Ito's vermillion and blue, which the colour-blind can tell apart.
    pub const fn colour(change: f32) -> [u8; 3] {
        if change < 0.0 {
            [0, 114, 178]
        } else {
            [213, 94, 0]
        }
    }

    /// The map over a picture of the widest view, which is made grey. `view` is as [`Preprocessing::picture`] draws it.
    ///
    /// # Panics
    /// If the picture is not a whole number of times as large as the view.
    pub fn over(&self, view: &RgbImage) -> RgbImage {
        let zoom = view.width() / self.side;
        let size = (zoom * self.side, zoom * self.side);
        assert!(zoom > 0 && view.dimensions() == size, "not the widest view");
        let (pixels, range) = (self.pixels(), self.range());
        RgbImage::from_fn(size.0, size.1, |x, y| {
            let change = pixels[(y / zoom * self.side + x / zoom) as usize] / range;
            let Rgb([red, green, blue]) = *view.get_pixel(x, y);
            // The luma of ITU-R BT.601.
            let grey = 0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue);
            let share = STRONGEST * change.abs().min(1.0);
            let mix = |end: u8| (grey + (f32::from(end) - grey) * share).round() as u8;
            Rgb(Self::colour(change).map(mix))
        })
    }
}

impl Preprocessing {
    /// The same with the largest test scale alone: the view whose frame an [`OcclusionMap`] has.
    #[must_use]
    pub fn widest(&self) -> Self {
        Self {
            test_scales: vec![self.largest_scale()],
            ..self.clone()
        }
    }
}

fn one(answers: &[Probabilities]) -> Probabilities {
    assert_eq!(answers.len(), 1, "answers to one image");
    answers[0]
}

fn fall(whole: &Probabilities, covered: &Probabilities, class: Morphology) -> f32 {
    whole.values()[class.id()] - covered.values()[class.id()]
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::{Image, Resampling};

    /// Views of 128 pixels, as galmorph-1 has them, at these scales.
    fn seen_at(scales: &[u32]) -> Preprocessing {
        Preprocessing {
            test_scales: scales.to_vec(),
            resize: 144,
            crop: 128,
            resampling: Resampling::Antialiased,
            ..Preprocessing::default()
        }
    }

    /// Black but for a blob of this side around a pixel.
    fn blob(centre: (u32, u32), side: u32) -> Image {
        RgbImage::from_fn(264, 264, |x, y| {
            let inside = x.abs_diff(centre.0) <= side / 2 && y.abs_diff(centre.1) <= side / 2;
            Rgb([if inside { 200 } else { 0 }; 3])
        })
        .into()
    }

    /// Says "edge-on" as surely as the brightest pixel of the views is bright, on the mean of all of them.
    fn of_the_brightest(preprocessing: &Preprocessing, views: &[f32]) -> Vec<Probabilities> {
        let image = preprocessing.view_count() * preprocessing.view_len();
        (views.chunks_exact(image))
            .map(|views| {
                let views = views.chunks_exact(preprocessing.view_len());
                let brightest = |view: &[f32]| view.iter().copied().fold(0.0, f32::max);
                let sum: f32 = views.map(brightest).sum();
                let sure = (sum / preprocessing.view_count() as f32 / 20.0).min(0.8) + 0.2;
                let rest = (1.0 - sure) / 4.0;
                Probabilities::from_values([rest, rest, rest, sure, rest])
            })
            .collect()
    }

    fn map(image: &Image, preprocessing: &Preprocessing) -> OcclusionMap {
        let views = preprocessing.views(image);
        let answer = |views: &[f32]| Ok::<_, Infallible>(of_the_brightest(preprocessing, views));
        let Ok(map) = Occlusion::of(preprocessing).map(&views, 7, answer);
        map
    }

    #[test]
    fn the_patches_of_each_size_of_view_reach_all_edges() {
        for (crop, patch, across) in [(128, 16, 15), (64, 8, 15), (299, 37, 16), (5, 1, 5)] {
            let preprocessing = Preprocessing {
                resize: crop + 8,
                crop,
                ..seen_at(&[198])
            };
            let occlusion = Occlusion::of(&preprocessing);
            assert_eq!((occlusion.patch, occlusion.corners.len()), (patch, across));
            assert_eq!(occlusion.corners[0], 0);
            assert_eq!(occlusion.corners[across - 1] + patch, crop);
        }
    }

    #[test]
    fn the_map_is_largest_where_the_only_thing_is_that_matters() {
        // A pixel of the view is 198 / 144 pixels of the image; its middle is that of the image.
        for (x, y) in [(132, 132), (90, 132), (170, 80)] {
            let image = blob((x, y), 6);
            let map = map(&image, &seen_at(&[198]));
            let place = |middle: u32| (f64::from(middle) - 132.0) * 144.0 / 198.0 + 64.0;
            let most = map.most();
            assert_eq!(map.answer.label(), Morphology::EdgeOn);
            assert!(most.fall > 0.2, "{most:?}");
            for (first, middle) in [(most.left, place(x)), (most.top, place(y))] {
                let distance = (f64::from(first) + 8.0 - middle).abs();
                assert!(distance <= 8.0, "{most:?} of a blob at {middle}");
            }
            let pixels = map.pixels();
            let largest = (0..pixels.len())
                .max_by(|a, b| pixels[*a].total_cmp(&pixels[*b]))
                .unwrap();
            let (column, row) = (largest % 128, largest / 128);
            assert!(
                (column as f64 - place(x)).abs() <= 16.0 && (row as f64 - place(y)).abs() <= 16.0
            );
            // Far from the blob, nothing changes.
            let corner = if x > 132 { 127 * 128 } else { 127 * 128 + 127 };
            assert_eq!(pixels[corner], 0.0);
        }
    }

    #[test]
    fn a_patch_covers_the_same_part_of_the_image_at_every_scale() {
        let preprocessing = seen_at(&[150, 198]);
        let occlusion = Occlusion::of(&preprocessing);
        let mut views = vec![1.0; 2 * preprocessing.view_len()];
        let middle = 7 * 15 + 7;
        occlusion.cover(middle, &mut views);
        let covered = |view: &[f32]| {
            let row = &view[64 * 128..][..128];
            let first = row.iter().position(|value| *value == 0.0).unwrap();
            (first, row.iter().filter(|value| **value == 0.0).count())
        };
        let length = preprocessing.view_len();
        assert_eq!(covered(&views[length..]), (56, 16));
        assert_eq!(
            covered(&views[..length]),
            (53, 22),
            "16 * 198 / 150 is 21.1"
        );
        // All planes, and nothing twice.
        let of_one = |view: &[f32]| view.iter().filter(|value| **value == 0.0).count();
        assert_eq!(of_one(&views[length..]), 3 * 16 * 16);

        // Of the corner of the widest view, the other shows less than a pixel: 64 - 48 * 198 / 150 is 0.6.
        let mut views = vec![1.0; 2 * length];
        occlusion.cover(0, &mut views);
        assert_eq!(of_one(&views[..length]), 3);
        assert_eq!(of_one(&views[length..]), 3 * 16 * 16);
    }

    #[test]
    fn several_scales_have_their_maximum_where_one_has_it() {
        let image = blob((150, 110), 6);
        let (one, both) = (
            map(&image, &seen_at(&[198])),
            map(&image, &seen_at(&[160, 198])),
        );
        let place = |map: &OcclusionMap| (map.most().left, map.most().top);
        assert_eq!(place(&one), place(&both));
    }

    #[test]
    fn a_map_without_a_large_change_stays_pale() {
        let map = |fall| OcclusionMap {
            answer: Probabilities::from_values([1.0, 0.0, 0.0, 0.0, 0.0]),
            side: 16,
            patch: 8,
            corners: vec![0, 8],
            falls: vec![fall, 0.0, 0.0, -fall],
        };
        let view = RgbImage::from_pixel(32, 32, Rgb([100; 3]));
        let corner = |fall, x, y| map(fall).over(&view).get_pixel(x, y).0;
        assert_eq!(corner(0.001, 0, 0), [101, 100, 99]);
        assert_eq!(map(0.001).range(), 0.1);
        assert_eq!(corner(0.5, 0, 0), [179, 96, 30]);
        assert_eq!(corner(0.5, 31, 31), [30, 110, 155], "where it rises");
        assert_eq!(corner(0.5, 31, 0), [100; 3]);
        assert_eq!(
            map(0.5).most(),
            Covered {
                left: 0,
                top: 0,
                fall: 0.5
            }
        );
    }

    #[test]
    fn a_fault_ends_it() {
        let preprocessing = seen_at(&[198]);
        let views = preprocessing.views(&blob((132, 132), 6));
        let mut runs = 0;
        let outcome = Occlusion::of(&preprocessing).map(&views, 10, |views| {
            runs += 1;
            if runs < 3 {
                Ok(of_the_brightest(&preprocessing, views))
            } else {
                Err("no more")
            }
        });
        assert_eq!((outcome.unwrap_err(), runs), ("no more", 3));
    }
}
