//! Where on the sky: `HEALPix` cells (Górski et al. 2005, <https://doi.org/10.1086/427976>), nested, for finding what lies near a position.
//!
//! The sphere is cut into twelve faces, and each of them `order` times into four. Of order 29, a cell is 0.4
//! milliarcseconds wide, and cells that lie together have numbers that lie together. So all cells in a circle are a few
//! ranges of numbers.
//!
//! The crate cdshealpix does this and much more. It would bring eighteen crates into the daemon, five of them a second
//! time; this needs a cell's number, its centre and its size.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};
use std::ops::RangeInclusive;

/// The order of the cells that the catalog stores.
pub(crate) const ORDER: u32 = 29;

/// How many times smaller than the circle the cells are that it is covered with.
const FINENESS: f64 = 8.0;

/// The cell of a position in degrees. `ra` is any angle, and `dec` lies between -90 and 90.
pub fn cell(ra: f64, dec: f64) -> i64 {
    // Twelve faces of 2^58 cells each.
    i64::try_from(cell_of_order(ORDER, ra, dec))
        .expect("all cells of order 29 have numbers below 2^62")
}

fn cell_of_order(order: u32, ra: f64, dec: f64) -> u64 {
    let side = (1u64 << order) as f64;
    let (z, quarter) = (dec.to_radians().sin(), ra.rem_euclid(360.0) / 90.0);
    let last = (1u64 << order) - 1;
    let (face, x, y) = if z.abs() <= 2.0 / 3.0 {
        // Around the equator, the sides of the faces are straight lines of z and ra.
        let (across, along) = (side * (0.5 + quarter), side * (z * 0.75));
        let (down, up) = ((across - along) as u64, (across + along) as u64);
        let (of_down, of_up) = (down >> order, up >> order);
        let face = match of_down.cmp(&of_up) {
            std::cmp::Ordering::Equal => (of_down & 3) + 4,
            std::cmp::Ordering::Less => of_down & 3,
            std::cmp::Ordering::Greater => (of_up & 3) + 8,
        };
        (face, up & last, last - (down & last))
    } else {
        let column = (quarter as u64).min(3);
        let part = quarter - column as f64;
        // The distance from the pole: the sine of half of it, which keeps its digits there.
        let from_pole = (FRAC_PI_4 - dec.abs().to_radians() / 2.0).sin();
        let reach = side * 6f64.sqrt() * from_pole;
        let down = ((part * reach) as u64).min(last);
        let up = (((1.0 - part) * reach) as u64).min(last);
        if z > 0.0 {
            (column, last - up, last - down)
        } else {
            (column + 8, down, up)
        }
    };
    (face << (2 * order)) | spread(x) | (spread(y) << 1)
}

/// The bits of a number with a place between each two.
fn spread(number: u64) -> u64 {
    let mut bits = number & 0xFFFF_FFFF;
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | (bits << shift)) & mask;
    }
    bits
}

/// Every other bit of a number, together.
fn gather(number: u64) -> u64 {
    let mut bits = number & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        bits = (bits | (bits >> shift)) & mask;
    }
    bits
}

/// The centre of a cell, in degrees.
fn centre(order: u32, cell: u64) -> (f64, f64) {
    // Of each face: the row of its southern corner below the northern pole, and its place along the equator.
    const ROW: [u64; 12] = [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4];
    const PLACE: [i64; 12] = [1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7];
    let side = 1i64 << order;
    let face = (cell >> (2 * order)) as usize;
    let inside = cell & ((1 << (2 * order)) - 1);
    let (x, y) = (gather(inside) as i64, gather(inside >> 1) as i64);
    let row = (ROW[face] as i64) * side - x - y - 1;
    let (width, z) = if row < side {
        (row, 1.0 - (row * row) as f64 / (3.0 * (side * side) as f64))
    } else if row > 3 * side {
        let row = 4 * side - row;
        (row, (row * row) as f64 / (3.0 * (side * side) as f64) - 1.0)
    } else {
        (side, (2 * side - row) as f64 * 2.0 / (3.0 * side as f64))
    };
    let along = (PLACE[face] * width + x - y).rem_euclid(8 * width);
    let ra = along as f64 / (2 * width) as f64 * FRAC_PI_2;
    (ra.to_degrees(), z.asin().to_degrees())
}

/// No point of a cell of this order is further from its centre than this, in degrees. The cells that reach furthest are
/// those at the upper corner of the faces around the equator.
fn reach(order: u32) -> f64 {
    let side = (1u64 << order) as f64;
    let corner = (90.0 / 2.0 / side, (2.0f64 / 3.0).asin().to_degrees());
    let below = 1.0 - (1.0 - 1.0 / side).powi(2) / 3.0;
    separation(corner, (0.0, below.asin().to_degrees()))
}

/// The angle between two positions (ra, dec), all in degrees.
pub fn separation((ra, dec): (f64, f64), (other_ra, other_dec): (f64, f64)) -> f64 {
    // By haversines, which keep their digits where the angle is small.
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let across = half(ra, other_ra) * dec.to_radians().cos() * other_dec.to_radians().cos();
    let haversine = half(dec, other_dec) + across;
    2.0 * haversine.sqrt().min(1.0).asin().to_degrees()
}

/// Ranges of cells of order 29, in their order, that have all of a circle in them, and some of its surroundings.
/// Angles are in degrees.
pub(crate) fn circle(position: (f64, f64), radius: f64) -> Vec<RangeInclusive<i64>> {
    let finest = (0..ORDER)
        .find(|order| reach(*order) * FINENESS < radius)
        .unwrap_or(ORDER);
    let mut found: Vec<RangeInclusive<i64>> = Vec::new();
    let mut waiting: Vec<(u32, u64)> = (0..12).rev().map(|face| (0, face)).collect();
    while let Some((order, cell)) = waiting.pop() {
        let (distance, reach) = (separation(position, centre(order, cell)), reach(order));
        if distance > radius + reach {
            continue;
        }
        if order == finest || distance + reach < radius {
            let shift = 2 * (ORDER - order);
            let (first, last) = (cell << shift, ((cell + 1) << shift) - 1);
            let range = (first as i64)..=(last as i64);
            match found.last_mut() {
                Some(before) if *before.end() + 1 == *range.start() => {
                    *before = *before.start()..=*range.end();
                }
                _ => found.push(range),
            }
        } else {
            // The first goes on top.
            waiting.extend((0..4).rev().map(|quarter| (order + 1, 4 * cell + quarter)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (ra, dec, cell), as cdshealpix has them.
    fn reference() -> impl Iterator<Item = (f64, f64, i64)> {
        let lines = include_str!("../../tests/corpus/healpix.csv")
            .lines()
            .skip(1);
        lines.map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (
                cells[0].parse().unwrap(),
                cells[1].parse().unwrap(),
                cells[2].parse().unwrap(),
            )
        })
    }

    #[test]
    fn cells_are_those_of_cdshealpix() {
        let mut count = 0;
        for (ra, dec, expected) in reference() {
            let found = cell(ra, dec);
            // On an edge, the last bit of the position decides: there the neighbour is right, too.
            let distance = separation(centre(ORDER, found as u64), centre(ORDER, expected as u64));
            assert!(
                distance < 2.1 * reach(ORDER),
                "{ra} {dec}: {found}, not {expected}: {distance}"
            );
            count += 1;
        }
        assert!(count > 1000);
    }

    #[test]
    fn a_centre_lies_in_its_cell() {
        for order in [0, 1, 2, 5, 11] {
            let all = 12u64 << (2 * order);
            for cell in (0..all).step_by(1 + all as usize / 5000) {
                let (ra, dec) = centre(order, cell);
                assert_eq!(cell_of_order(order, ra, dec), cell, "order {order}");
            }
        }
    }

    #[test]
    fn a_circle_has_every_position_within_it_and_few_others() {
        for (position, radius) in [
            ((0.0, 0.0), 0.01),
            ((359.9999, 41.0), 0.5),
            ((180.0, 90.0), 1.0),
            ((12.0, -89.99), 0.3),
            ((45.0, 41.81), 20.0),
            ((83.6, 22.0), 1.0 / 3600.0),
            ((10.0, 10.0), 180.0),
        ] {
            let ranges = circle(position, radius);
            let has = |ra, dec| ranges.iter().any(|range| range.contains(&cell(ra, dec)));
            assert!(ranges.is_sorted_by_key(|range| *range.start()));
            assert!(ranges.len() < 200, "{}", ranges.len());
            let mut counts = [0; 2];
            for step in 0..4000 {
                // In a spiral around it, to three times the radius.
                let angle = f64::from(step) * 2.4;
                let away = (3.0 * radius * (f64::from(step) / 4000.0).sqrt()).min(179.0);
                let (ra, dec) = shifted(position, away, angle);
                let inside = separation(position, (ra, dec)) <= radius;
                assert!(
                    !inside || has(ra, dec),
                    "{ra} {dec} within {radius} of {position:?}"
                );
                counts[0] += usize::from(inside);
                counts[1] += usize::from(has(ra, dec));
            }
            assert!(counts[1] < 2 * counts[0] + 40, "{counts:?}");
        }
    }

    /// The position that lies `away` degrees from another in the direction `angle`.
    fn shifted((ra, dec): (f64, f64), away: f64, angle: f64) -> (f64, f64) {
        let (dec, away) = (dec.to_radians(), away.to_radians());
        let sine = dec.sin() * away.cos() + dec.cos() * away.sin() * angle.cos();
        let across = angle.sin() * away.sin() * dec.cos();
        let turned = across.atan2(away.cos() - dec.sin() * sine);
        (
            (ra + turned.to_degrees()).rem_euclid(360.0),
            sine.clamp(-1.0, 1.0).asin().to_degrees(),
        )
    }
}
