//! Where on the sky the middle of an image lies, from its world coordinate system.
//!
//! Only the gnomonic projection, `TAN`, and `TAN-SIP` are read: nearly every cutout has one of the two, and
//! an image has a few arcminutes at most. Anything else (another projection, another frame than ICRS or
//! FK5 J2000, a rotated native pole, other polynomials, tables) gives no position rather than a wrong one.
//! The keywords RA and DEC are never read: in many files they are the telescope's pointing, or the centre of
//! the field that the cutout was cut from.
//!
//! Calabretta & Greisen 2002 (A&A 395, 1077), sections 2 and 5.1.3; Shupe et al. 2005 (ASP Conf. 347, 491)
//! for SIP.

use super::super::sky::from_plane;
use super::header::Header;
use crate::SkyCentre;

/// The highest order of a SIP polynomial.
const MOST_SIP_ORDER: i64 = 9;

/// The middle of an image whose columns run along FITS axis `x_axis` and its rows along `y_axis`, counted
/// from 1; `None` where the header has no world coordinates that are read here.
pub(super) fn centre(
    header: &Header,
    axes: (usize, usize),
    (width, height): (u32, u32),
) -> Option<SkyCentre> {
    let middle = |length: u32| f64::midpoint(f64::from(length), 1.0);
    place(header, axes, (middle(width), middle(height)))
}

/// Where a pixel of such an image lies. Pixel centres are whole numbers, and the first is 1.
pub(super) fn place(
    header: &Header,
    (x_axis, y_axis): (usize, usize),
    (column, row): (f64, f64),
) -> Option<SkyCentre> {
    let x = Axis::read(header, x_axis)?;
    let y = Axis::read(header, y_axis)?;
    // The axis with the right ascension may be either.
    let (lon, lat) = match (x.is_longitude, y.is_longitude) {
        (true, false) => (&x, &y),
        (false, true) => (&y, &x),
        _ => return None,
    };
    if x.has_sip != y.has_sip || is_unknown(header, &[x_axis, y_axis]) {
        return None;
    }
    let (mut u, mut v) = (column - x.reference_pixel, row - y.reference_pixel);
    if x.has_sip {
        (u, v) = (u + sip(header, "A", u, v)?, v + sip(header, "B", u, v)?);
    }
    let matrix = matrix(header, (x_axis, y_axis))?;
    let along = |row: [f64; 2]| row[0] * u + row[1] * v;
    let (first, second) = (along(matrix[0]), along(matrix[1]));
    let (xi, eta) = if x.is_longitude {
        (first, second)
    } else {
        (second, first)
    };
    let (ra, dec) = from_plane(
        xi.to_radians(),
        eta.to_radians(),
        lon.value.to_radians(),
        lat.value.to_radians(),
    );
    let determinant = matrix[0][0] * matrix[1][1] - matrix[0][1] * matrix[1][0];
    let pixel_scale = determinant.abs().sqrt() * 3600.0;
    let usable = ra.is_finite() && dec.is_finite() && pixel_scale.is_normal();
    usable.then_some(SkyCentre {
        ra,
        dec,
        pixel_scale,
    })
}

/// What one axis says of itself.
struct Axis {
    is_longitude: bool,
    has_sip: bool,
    reference_pixel: f64,
    /// Degrees at the reference pixel.
    value: f64,
}

impl Axis {
    fn read(header: &Header, axis: usize) -> Option<Self> {
        let key = |name: &str| format!("{name}{axis}");
        let kind = header.text(&key("CTYPE"))?;
        let (is_longitude, has_sip) = match kind {
            "RA---TAN" => (true, false),
            "DEC--TAN" => (false, false),
            "RA---TAN-SIP" => (true, true),
            "DEC--TAN-SIP" => (false, true),
            _ => return None,
        };
        if header
            .text(&key("CUNIT"))
            .is_some_and(|unit| !unit.to_ascii_lowercase().starts_with("deg"))
        {
            return None;
        }
        let value = header.number(&key("CRVAL"))?;
        let on_the_sphere = if is_longitude {
            (-360.0..=720.0).contains(&value)
        } else {
            (-90.0..=90.0).contains(&value)
        };
        on_the_sphere.then_some(())?;
        Some(Self {
            is_longitude,
            has_sip,
            reference_pixel: header.number(&key("CRPIX"))?,
            value,
        })
    }
}

/// Whether the header has something that changes the position and is not read here.
fn is_unknown(header: &Header, axes: &[usize]) -> bool {
    let frame = match header.text("RADESYS").or_else(|| header.text("RADECSYS")) {
        Some(frame) => !["ICRS", "FK5"]
            .iter()
            .any(|known| frame.eq_ignore_ascii_case(known)),
        None => false,
    };
    // FK5 is J2000's; before 1984 the default frame is another one (section 3.1).
    let named = ["EQUINOX", "EPOCH"].into_iter().find(|key| header.has(key));
    let equinox = named.is_some_and(|key| match header.text(key) {
        Some(text) => !["J2000", "J2000.0", "2000", "2000.0"].contains(&text),
        None => header.number(key) != Some(2000.0),
    });
    // Where nothing is said, it is 0 at the celestial pole itself, and 180 elsewhere (section 2.4).
    let at_the_pole = axes.iter().any(|axis| {
        header.number(&format!("CRVAL{axis}")) == Some(90.0) && is_latitude(header, *axis)
    });
    let pole = match header.number("LONPOLE") {
        Some(pole) => pole != 180.0,
        None => at_the_pole || header.has("LONPOLE"),
    };
    // Two ways to say the same, or an element by a name from before the standard: programs differ on which counts.
    let elements = |name: &str| {
        let mut pairs = axes
            .iter()
            .flat_map(|row| axes.iter().map(move |column| (row, column)));
        pairs.any(|(row, column)| header.has(&format!("{name}{row}_{column}")))
    };
    let ambiguous =
        header.has_any("PC00") || header.has_any("CD00") || (elements("CD") && elements("PC"));
    let parameters = axes
        .iter()
        .any(|axis| header.has_any(&format!("PV{axis}_")) || header.has(&format!("CPDIS{axis}")));
    let has_sip = |axis: &usize| {
        let kind = header.text(&format!("CTYPE{axis}"));
        kind.is_some_and(|kind| kind.ends_with("-SIP"))
    };
    // Coefficients that the type of the axis does not announce: programs differ on what that means.
    let has_polynomial = header.has("A_ORDER") || header.has("B_ORDER");
    let unannounced = has_polynomial && !axes.iter().all(has_sip);
    frame || equinox || pole || ambiguous || parameters || unannounced
}

fn is_latitude(header: &Header, axis: usize) -> bool {
    let kind = header.text(&format!("CTYPE{axis}"));
    kind.is_some_and(|kind| kind.starts_with("DEC"))
}

/// Degrees for each pixel: the CD matrix; else the PC matrix, or CROTA2, times CDELT.
fn matrix(header: &Header, axes: (usize, usize)) -> Option<[[f64; 2]; 2]> {
    let (x, y) = axes;
    let element = |name: &str, row: usize, column: usize, default: f64| {
        let number = header.number(&format!("{name}{row}_{column}"));
        number.unwrap_or(default)
    };
    // Not by the beginning of the name: `PC1_1A` is of another description of the same image.
    let has = |name: &str| {
        let pairs = [(x, x), (x, y), (y, x), (y, y)];
        pairs
            .iter()
            .any(|(row, column)| header.has(&format!("{name}{row}_{column}")))
    };
    if has("CD") {
        let cd = |row, column| element("CD", row, column, 0.0);
        return Some([[cd(x, x), cd(x, y)], [cd(y, x), cd(y, y)]]);
    }
    let step = |axis| header.number(&format!("CDELT{axis}"));
    let (dx, dy) = (step(x)?, step(y)?);
    if has("PC") {
        let pc = |row, column| element("PC", row, column, f64::from(u8::from(row == column)));
        return Some([
            [dx * pc(x, x), dx * pc(x, y)],
            [dy * pc(y, x), dy * pc(y, y)],
        ]);
    }
    let rotation = header.number(&format!("CROTA{y}")).unwrap_or_default();
    let (sin, cos) = rotation.to_radians().sin_cos();
    Some([[dx * cos, -dy * sin], [dx * sin, dy * cos]])
}

/// A SIP polynomial at `u`, `v`, pixels from the reference pixel; `None` when its order is none.
fn sip(header: &Header, letter: &str, u: f64, v: f64) -> Option<f64> {
    let order = header.integer(&format!("{letter}_ORDER"))?;
    if !(0..=MOST_SIP_ORDER).contains(&order) {
        return None;
    }
    let mut sum = 0.0;
    for p in 0..=order {
        for q in 0..=order - p {
            if let Some(factor) = header.number(&format!("{letter}_{p}_{q}")) {
                sum += factor * u.powi(p as i32) * v.powi(q as i32);
            }
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [(&str, f64); 6] = [
        ("CRPIX1", 50.5),
        ("CRPIX2", 50.5),
        ("CRVAL1", 150.0),
        ("CRVAL2", 2.0),
        ("CD1_1", -1e-4),
        ("CD2_2", 1e-4),
    ];
    const TEXTS: [(&str, &str); 2] = [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")];

    fn of(numbers: &[(&str, f64)], texts: &[(&str, &str)]) -> Option<SkyCentre> {
        let header = Header::of(&[numbers, &NUMBERS].concat(), &[texts, &TEXTS].concat());
        centre(&header, (1, 2), (100, 100))
    }

    #[test]
    fn the_reference_pixel_in_the_middle_is_the_position() {
        let found = of(&[], &[]).unwrap();
        assert!((found.ra - 150.0).abs() < 1e-9 && (found.dec - 2.0).abs() < 1e-9);
        assert!((found.pixel_scale - 0.36).abs() < 1e-9);
        let west = of(&[("CRVAL1", 0.0), ("CRPIX1", 49.5)], &[]).unwrap();
        assert!((west.ra - (360.0 - 1e-4 / 2_f64.to_radians().cos())).abs() < 1e-9);
    }

    #[test]
    fn another_description_of_the_same_image_changes_nothing() {
        let steps = [
            ("CRPIX1", 50.5),
            ("CRPIX2", 70.0),
            ("CRVAL1", 150.0),
            ("CRVAL2", 2.0),
        ];
        let more = [("CDELT1", -1e-4), ("CDELT2", 1e-4), ("CROTA2", 40.0)];
        let of = |other: &[(&str, f64)]| {
            let header = Header::of(&[&steps[..], &more, other].concat(), &TEXTS);
            centre(&header, (1, 2), (100, 100)).unwrap()
        };
        assert_eq!(of(&[("PC1_1A", 1.0), ("CD1_1B", 2.0)]), of(&[]));
    }

    #[test]
    fn what_is_not_read_gives_no_position() {
        assert_eq!(of(&[("EQUINOX", 1950.0)], &[]), None);
        assert_eq!(of(&[("LONPOLE", 90.0)], &[]), None);
        assert_eq!(of(&[("PV1_1", 1.0)], &[]), None);
        assert_eq!(of(&[("A_ORDER", 2.0)], &[]), None);
        assert_eq!(of(&[("B_ORDER", 2.0)], &[]), None);
        assert_eq!(of(&[("PC1_1", 1.0)], &[]), None);
        assert_eq!(of(&[("PC001001", 1.0)], &[]), None);
        assert_eq!(of(&[("CRVAL2", 90.0)], &[]), None);
        assert!(of(&[("CRVAL2", 90.0), ("LONPOLE", 180.0)], &[]).is_some());
        assert!(of(&[("CRVAL2", -90.0)], &[]).is_some());
        assert_eq!(of(&[], &[("EQUINOX", "B1950")]), None);
        assert!(of(&[], &[("EQUINOX", "J2000")]).is_some());
        assert_eq!(of(&[], &[("RADESYS", "FK4")]), None);
        assert_eq!(of(&[], &[("CUNIT1", "arcsec")]), None);
        assert_eq!(of(&[], &[("CTYPE1", "GLON-TAN")]), None);
        assert_eq!(of(&[], &[("CTYPE1", "RA---ZPN")]), None);
        assert_eq!(of(&[], &[("CTYPE1", "DEC--TAN")]), None);
        assert_eq!(of(&[("CRVAL2", 91.0)], &[]), None);
        assert_eq!(of(&[("CD1_1", 0.0)], &[]), None);
        assert_eq!(centre(&Header::default(), (1, 2), (100, 100)), None);
    }
}
