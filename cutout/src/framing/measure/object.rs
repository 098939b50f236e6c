//! The object in the middle of a raster: which pixels are its own, and their moments.
//!
//! Its pixels are those that are brighter than a part of its peak and connected with it. A neighbour that touches it
//! is on one side of it, and galaxies are the same on both: so of these pixels those are kept whose mirror image
//! through the middle is one of them, too.

/// How far from the middle of the raster the object's peak may be, in parts of the shorter side.
const REACH: f32 = 0.2;

/// At which distance from the middle a pixel counts half, in parts of the shorter side.
const NEAR: f32 = 0.08;

/// The least height of the peak above the sky, in standard deviations of a smoothed pixel's noise.
const LEAST_PEAK: f32 = 6.0;

/// The least height of any of its pixels, likewise.
const LEAST_HEIGHT: f32 = 3.0;

/// A raster with the sky taken away, and smoothed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Light<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Not smoothed.
    pub(super) values: &'a [f32],
    pub(super) smooth: &'a [f32],
    /// Of a smoothed pixel.
    pub(super) noise: f32,
}

/// A place in a raster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Peak {
    x: usize,
    y: usize,
    pub(super) height: f32,
}

/// Some pixels of the object. Lengths are in pixels of the raster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Isophote {
    /// The middle by light.
    pub(super) x: f32,
    pub(super) y: f32,
    /// The radius of a circle of the same area.
    pub(super) radius: f32,
    /// The mean distance of the light from the middle.
    pub(super) spread: f32,
    /// The axis ratio, 0 to 1.
    pub(super) axis_ratio: f32,
    /// The part of the raster's border that belongs to it, 0 to 1.
    pub(super) at_the_border: f32,
}

/// Pixels that are connected, in a raster with a dark pixel more on each side.
#[derive(Debug)]
struct Component {
    /// How many pixels a row has.
    stride: usize,
    /// What each of its pixels is.
    kinds: Vec<u8>,
    /// The component's own, each with its row: to find that by a division takes longer than all else.
    pixels: Vec<(usize, usize)>,
}

const DARK: u8 = 0;
const BRIGHT: u8 = 1;
const OWN: u8 = 2;

impl Component {
    /// Whether it has this pixel of the raster.
    fn has(&self, x: usize, y: usize) -> bool {
        self.kinds[(y + 1) * self.stride + x + 1] == OWN
    }
}

impl Light<'_> {
    /// The top of the object in the middle, if it stands out of the noise. A star beside it may be brighter, so a
    /// pixel counts the less the farther it is from the middle. From there, it is uphill.
    pub(super) fn peak(&self) -> Option<Peak> {
        let side = self.width.min(self.height) as f32;
        let reach = (REACH * side).ceil() as usize;
        let span = |length: usize| {
            let middle = length / 2;
            middle.saturating_sub(reach)..(middle + reach + 1).min(length)
        };
        let off =
            |at: usize, length: usize| (at as f32 + 0.5 - length as f32 / 2.0) / (NEAR * side);
        let mut best = None;
        for y in span(self.height) {
            let far_y = off(y, self.height).powi(2);
            for x in span(self.width) {
                let far = off(x, self.width).powi(2) + far_y;
                // As good as a bell curve for this, and cheaper.
                let merit = self.at((x, y)) / (1.0 + far * far);
                if best.is_none_or(|(most, _)| merit > most) {
                    best = Some((merit, (x, y)));
                }
            }
        }
        let (x, y) = self.uphill(best?.1);
        let height = self.at((x, y));
        (height >= LEAST_PEAK * self.noise).then_some(Peak { x, y, height })
    }

    /// The next place that is the highest of those around it.
    fn uphill(&self, mut place: (usize, usize)) -> (usize, usize) {
        loop {
            let span = |at: usize, length: usize| at.saturating_sub(2)..(at + 3).min(length);
            let mut highest = place;
            for y in span(place.1, self.height) {
                for x in span(place.0, self.width) {
                    if self.at((x, y)) > self.at(highest) {
                        highest = (x, y);
                    }
                }
            }
            if highest == place {
                return place;
            }
            place = highest;
        }
    }

    fn at(&self, (x, y): (usize, usize)) -> f32 {
        self.smooth[y * self.width + x]
    }

    /// The pixels that are brighter than a part of the peak and connected with it.
    fn component(&self, peak: Peak, part: f32) -> Component {
        let level = (part * peak.height).max(LEAST_HEIGHT * self.noise);
        let stride = self.width + 2;
        let mut kinds = vec![DARK; stride * (self.height + 2)];
        let lines = kinds.chunks_exact_mut(stride).skip(1);
        for (kinds, line) in lines.zip(self.smooth.chunks_exact(self.width)) {
            for (kind, value) in kinds[1..].iter_mut().zip(line) {
                *kind = if *value > level { BRIGHT } else { DARK };
            }
        }
        let start = (peak.y + 1) * stride + peak.x + 1;
        kinds[start] = OWN;
        let mut pixels = vec![(start, peak.y + 1)];
        let mut next = 0;
        while let Some(&(pixel, row)) = pixels.get(next) {
            next += 1;
            let neighbours = [
                (pixel - 1, row),
                (pixel + 1, row),
                (pixel - stride, row - 1),
                (pixel + stride, row + 1),
            ];
            for neighbour in neighbours {
                if kinds[neighbour.0] == BRIGHT {
                    kinds[neighbour.0] = OWN;
                    pixels.push(neighbour);
                }
            }
        }
        Component {
            stride,
            kinds,
            pixels,
        }
    }

    /// The middle of the pixels that are brighter than half of the peak, and have a counterpart on the other side
    /// of it.
    pub(super) fn core(&self, peak: Peak) -> (f32, f32) {
        let top = (peak.x as f32, peak.y as f32);
        self.isophote(peak, top, 0.5)
            .map_or(top, |core| (core.x, core.y))
    }

    /// The isophote at a part of the peak, of pixels with a counterpart on the other side of the core.
    pub(super) fn isophote(&self, peak: Peak, core: (f32, f32), part: f32) -> Option<Isophote> {
        let component = self.component(peak, part);
        let (width, height) = (self.width, self.height);
        let twice = [core.0, core.1].map(|middle| (2.0 * middle).round() as isize);
        let (mut count, mut border) = (0_usize, 0_usize);
        let (mut light, mut sum) = (0.0_f32, [0.0_f32; 6]);
        for (pixel, row) in &component.pixels {
            let (x, y) = (pixel - row * component.stride - 1, row - 1);
            // A counterpart that would lie outside of the raster is taken for granted.
            let (mirrored_x, mirrored_y) = (twice[0] - x as isize, twice[1] - y as isize);
            let is_inside = (0..width as isize).contains(&mirrored_x)
                && (0..height as isize).contains(&mirrored_y);
            if is_inside && !component.has(mirrored_x as usize, mirrored_y as usize) {
                continue;
            }
            count += 1;
            border += usize::from(x == 0 || y == 0 || x + 1 == width || y + 1 == height);
            let value = self.values[y * width + x].max(0.0);
            let (dx, dy) = (x as f32 - core.0, y as f32 - core.1);
            light += value;
            let square = dx * dx + dy * dy;
            let terms = [dx, dy, dx * dx, dy * dy, dx * dy, square.sqrt()];
            for (sum, term) in sum.iter_mut().zip(terms) {
                *sum += value * term;
            }
        }
        if light <= 0.0 {
            return None;
        }
        let [dx, dy, xx, yy, xy, spread] = sum.map(|sum| sum / light);
        Some(Isophote {
            x: core.0 + dx,
            y: core.1 + dy,
            radius: (count as f32 / std::f32::consts::PI).sqrt(),
            spread,
            axis_ratio: axis_ratio(xx, yy, xy),
            at_the_border: border as f32 / (2 * (width + height)) as f32,
        })
    }
}

/// The axis ratio of an ellipse with these second moments.
fn axis_ratio(xx: f32, yy: f32, xy: f32) -> f32 {
    let half_trace = f32::midpoint(xx, yy);
    let difference = ((xx - yy) / 2.0).hypot(xy);
    let (larger, smaller) = (half_trace + difference, half_trace - difference);
    if larger <= 0.0 {
        return 1.0;
    }
    // A line of single pixels has a width all the same.
    (smaller.max(1.0 / 12.0) / larger.max(1.0 / 12.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 64;

    /// An ellipse with half axes of 20 and 10 pixels around (30, 34), bright in its middle, and perhaps a brighter
    /// neighbour that touches it.
    fn ellipse(neighbour: bool) -> Vec<f32> {
        let pixels = (0..SIDE * SIDE).map(|pixel| {
            let (x, y) = ((pixel % SIDE) as f32, (pixel / SIDE) as f32);
            let far = ((x - 30.0) / 20.0).hypot((y - 34.0) / 10.0);
            let near = (x - 30.0).hypot(y - 20.0) / 6.0;
            let galaxy = if far <= 1.0 { 50.0 - 30.0 * far } else { 0.0 };
            let star = if neighbour && near <= 1.0 {
                90.0 - 40.0 * near
            } else {
                0.0
            };
            galaxy.max(star)
        });
        pixels.collect()
    }

    fn isophote(values: &[f32]) -> Isophote {
        let light = Light {
            width: SIDE,
            height: SIDE,
            values,
            smooth: values,
            noise: 1.0,
        };
        let peak = light.peak().unwrap();
        light.isophote(peak, light.core(peak), 0.2).unwrap()
    }

    #[test]
    fn an_ellipse_has_its_middle_area_and_axes() {
        let found = isophote(&ellipse(false));
        assert!((found.x - 30.0).abs() < 0.1 && (found.y - 34.0).abs() < 0.1);
        assert!((found.radius - 200_f32.sqrt()).abs() < 0.3, "{found:?}");
        assert!((found.axis_ratio - 0.5).abs() < 0.02, "{found:?}");
        assert!(found.at_the_border.abs() < f32::EPSILON);
    }

    #[test]
    fn a_neighbour_that_touches_it_is_no_part_of_it() {
        let alone = isophote(&ellipse(false));
        let found = isophote(&ellipse(true));
        // The core is drawn a little to the neighbour.
        assert!(
            (found.radius / alone.radius - 1.0).abs() < 0.15,
            "{found:?}"
        );
    }

    #[test]
    fn what_does_not_stand_out_of_the_noise_is_no_object() {
        let values = vec![2.0; SIDE * SIDE];
        let light = Light {
            width: SIDE,
            height: SIDE,
            values: &values,
            smooth: &values,
            noise: 1.0,
        };
        assert_eq!(light.peak(), None);
    }
}
