//! The sky around the object: a level with a slope, and its noise.
//!
//! Both come from the border of the image, in blocks. A block with a neighbour in it is brighter than the plane
//! through the others, and is left out.

use super::raster::Raster;

/// How many blocks there are along each side.
const BLOCKS: usize = 5;

/// The least noise that is assumed, in levels of 8 bits: an image without any has steps of one level.
const LEAST_NOISE: f32 = 0.5;

/// The sky of a raster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sky {
    /// Its level in the middle, and how much it rises from one side to the other.
    level: f32,
    slope_x: f32,
    slope_y: f32,
}

/// A part of the border: where its middle is, from -0.5 to 0.5 of the raster, and its median.
#[derive(Debug, Clone, Copy)]
struct Block {
    x: f32,
    y: f32,
    level: f32,
}

impl Sky {
    /// The sky of a raster of at least 8 x 8 pixels.
    pub(super) fn of(raster: &Raster) -> Self {
        let (width, height) = (raster.width, raster.height);
        let depth = depth(width, height);
        let mut blocks = Vec::with_capacity(4 * BLOCKS);
        let mut pixels = Vec::new();
        for number in 0..BLOCKS {
            let span = |length: usize| (number * length / BLOCKS, (number + 1) * length / BLOCKS);
            let (columns, rows) = (span(width), span(height));
            for (columns, rows) in [
                (columns, (0, depth)),
                (columns, (height - depth, height)),
                ((0, depth), rows),
                ((width - depth, width), rows),
            ] {
                pixels.clear();
                for y in rows.0..rows.1 {
                    pixels.extend_from_slice(&raster.values[y * width..][columns.0..columns.1]);
                }
                let middle = |(first, end): (usize, usize), length: usize| {
                    (first + end) as f32 / (2 * length) as f32 - 0.5
                };
                blocks.push(Block {
                    x: middle(columns, width),
                    y: middle(rows, height),
                    level: median(&mut pixels),
                });
            }
        }
        Self::through(&blocks)
    }

    /// The plane through the blocks, with those left out that are off it. It begins with the median slopes between
    /// opposite blocks: a plane through all of them would follow a bright neighbour. The blocks come in fours: two
    /// that are opposite up and down, and two across.
    fn through(blocks: &[Block]) -> Self {
        let slope = |first: usize, distance: fn(&Block, &Block) -> f32| {
            let pairs = blocks.chunks_exact(4).map(|four| {
                let (one, other) = (&four[first], &four[first + 1]);
                (other.level - one.level) / distance(one, other)
            });
            let mut slopes: Vec<f32> = pairs.collect();
            median(&mut slopes)
        };
        let mut levels: Vec<f32> = blocks.iter().map(|block| block.level).collect();
        let middle = median(&mut levels);
        let mut sky = Self {
            slope_y: slope(0, |one, other| other.y - one.y),
            slope_x: slope(2, |one, other| other.x - one.x),
            ..Self::flat(0.0)
        };
        let mut rest: Vec<f32> = blocks.iter().map(|block| sky.off(block)).collect();
        sky.level = median(&mut rest);
        let mut count = 0;
        for _ in 0..4 {
            let mut off: Vec<f32> = blocks.iter().map(|block| sky.off(block).abs()).collect();
            let limit = 2.5 * (1.4826 * median(&mut off)).max(0.5);
            let kept: Vec<Block> = blocks
                .iter()
                .filter(|block| sky.off(block).abs() <= limit)
                .copied()
                .collect();
            if kept.len() == count {
                break;
            }
            count = kept.len();
            match plane(&kept) {
                Some(plane) if kept.len() >= 3 * BLOCKS / 2 => sky = plane,
                _ => return Self::flat(middle),
            }
        }
        sky
    }

    const fn flat(level: f32) -> Self {
        Self {
            level,
            slope_x: 0.0,
            slope_y: 0.0,
        }
    }

    fn off(&self, block: &Block) -> f32 {
        block.level - self.at(block.x, block.y)
    }

    /// The level at a place, from -0.5 to 0.5 of the raster.
    fn at(&self, x: f32, y: f32) -> f32 {
        self.level + self.slope_x * x + self.slope_y * y
    }

    /// Its level in the middle.
    pub(super) fn level(&self) -> f32 {
        self.level
    }

    /// Takes it away from a raster.
    pub(super) fn subtract(&self, raster: &mut Raster) {
        let (width, height) = (raster.width, raster.height);
        let place = |at: usize, length: usize| (at as f32 + 0.5) / length as f32 - 0.5;
        let across: Vec<f32> = (0..width).map(|x| self.slope_x * place(x, width)).collect();
        for (y, line) in raster.values.chunks_exact_mut(width).enumerate() {
            let middle = self.at(0.0, place(y, height));
            for (value, across) in line.iter_mut().zip(&across) {
                *value -= middle + across;
            }
        }
    }
}

/// The standard deviation of the noise in values without their sky, of so many columns and rows: from how far those of
/// the border are below it. Neighbours are above it.
pub(super) fn noise((width, height): (usize, usize), values: &[f32]) -> f32 {
    let depth = depth(width, height);
    let mut below = Vec::new();
    // Each second value: smoothed ones that are side by side say nearly the same.
    let mut add = |values: &[f32]| {
        let values = values.iter().step_by(2);
        below.extend(values.filter(|value| **value <= 0.0).map(|value| -value));
    };
    for (y, line) in values.chunks_exact(width).enumerate() {
        if y < depth || y >= height - depth {
            add(&line[y % 2..]);
        } else {
            add(&line[y % 2..depth]);
            add(&line[width - depth + y % 2..]);
        }
    }
    (1.4826 * median(&mut below)).max(LEAST_NOISE)
}

/// How many of the outermost rows and columns are the border.
fn depth(width: usize, height: usize) -> usize {
    (width.min(height) / 10).max(2)
}

/// The plane through some blocks by least squares; `None` if they don't determine one.
fn plane(blocks: &[Block]) -> Option<Sky> {
    let count = blocks.len() as f32;
    let sum = |term: fn(&Block) -> f32| blocks.iter().map(term).sum::<f32>();
    let (x, y, level) = (sum(|b| b.x), sum(|b| b.y), sum(|b| b.level));
    let (xx, yy, xy) = (sum(|b| b.x * b.x), sum(|b| b.y * b.y), sum(|b| b.x * b.y));
    let (xl, yl) = (sum(|b| b.x * b.level), sum(|b| b.y * b.level));
    // Around the mean, two equations are left.
    let (var_x, var_y, covar) = (xx - x * x / count, yy - y * y / count, xy - x * y / count);
    let (by_x, by_y) = (xl - x * level / count, yl - y * level / count);
    let determinant = var_x * var_y - covar * covar;
    if determinant.abs() < 1e-6 {
        return None;
    }
    let slope_x = (by_x * var_y - by_y * covar) / determinant;
    let slope_y = (var_x * by_y - covar * by_x) / determinant;
    Some(Sky {
        level: (level - slope_x * x - slope_y * y) / count,
        slope_x,
        slope_y,
    })
}

/// The median of some values, which are put into another order. Of none, 0.
pub(super) fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let half = values.len() / 2;
    *values.select_nth_unstable_by(half, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sky that rises by 40 levels across, with noise and stars.
    fn raster(slope: f32, star: f32) -> Raster {
        let values = (0..64 * 64).map(|pixel| {
            let (x, y) = (pixel % 64, pixel / 64);
            let noise = (((x * 7919) ^ (y * 104_729)) % 13) as f32 - 6.0;
            let star = if x < 12 && y < 20 { star } else { 0.0 };
            20.0 + slope * x as f32 / 64.0 + noise / 3.0 + star
        });
        Raster {
            width: 64,
            height: 64,
            values: values.collect(),
            step: 1,
            left: 0,
            top: 0,
        }
    }

    #[test]
    fn a_slope_and_a_bright_corner_are_no_part_of_the_level() {
        for slope in [0.0, 40.0] {
            for star in [0.0, 90.0] {
                let mut raster = raster(slope, star);
                let sky = Sky::of(&raster);
                assert!((sky.level() - 20.0 - slope / 2.0).abs() < 1.5, "{sky:?}");
                assert!((sky.slope_x - slope).abs() < 3.0, "{sky:?}");
                sky.subtract(&mut raster);
                assert!(raster.values[32 * 64 + 32].abs() < 4.0);
                // Noise of -2 to 2, evenly.
                let noise = noise((64, 64), &raster.values);
                assert!((0.5..2.5).contains(&noise), "{noise}");
            }
        }
    }
}
