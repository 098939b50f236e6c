//! Whether images that are to be one picture show the same part of the sky, in the same unit.

use super::header::Header;
use super::wcs;
use crate::SkyCentre;

/// How far the corners of two bands may lie apart on the sky, in pixels. More makes a galaxy of two colours of one.
const LARGEST_SHIFT: f64 = 1.0;

/// An image: its keywords, and the FITS axes of its columns and rows.
type Unit<'a> = (&'a Header, (usize, usize));

/// How the second of two images of this size differs from the first; "... than" or "... from", before its name. What
/// only one of them says is no difference.
pub(super) fn difference(first: Unit, other: Unit, (width, height): (u32, u32)) -> Option<String> {
    let unit = |header: &Header| header.text("BUNIT").map(str::to_ascii_lowercase);
    if let (Some(one), Some(another)) = (unit(first.0), unit(other.0))
        && one != another
    {
        return Some(format!(
            "it is in {another}, which is another unit than that of"
        ));
    }
    let corners = [(1.0, 1.0), (f64::from(width), f64::from(height))];
    let shift = corners
        .into_iter()
        .filter_map(|corner| {
            let place = |(header, axes)| wcs::place(header, axes, corner);
            let (one, another) = (place(first)?, place(other)?);
            Some(separation(one, another) / one.pixel_scale)
        })
        .fold(0.0, f64::max);
    (shift > LARGEST_SHIFT).then(|| format!("on the sky it is up to {shift:.1} pixels away from"))
}

/// The angle between two places, in arcsec (the haversine formula).
fn separation(one: SkyCentre, other: SkyCentre) -> f64 {
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let cosines = one.dec.to_radians().cos() * other.dec.to_radians().cos();
    let haversine = half(one.dec, other.dec) + cosines * half(one.ra, other.ra);
    2.0 * haversine.sqrt().min(1.0).asin().to_degrees() * 3600.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ra: f64, crpix: f64, unit: &str) -> Header {
        let step = 0.25 / 3600.0;
        Header::of(
            &[
                ("CRVAL1", ra),
                ("CRVAL2", 60.0),
                ("CRPIX1", crpix),
                ("CRPIX2", 50.5),
                ("CD1_1", -step),
                ("CD2_2", step),
            ],
            &[
                ("CTYPE1", "RA---TAN"),
                ("CTYPE2", "DEC--TAN"),
                ("BUNIT", unit),
            ],
        )
    }

    #[test]
    fn bands_of_one_image_show_the_same_part_of_the_sky_in_the_same_unit() {
        let first = header(0.0, 50.5, "nmgy");
        let compare = |other: &Header| difference((&first, (1, 2)), (other, (1, 2)), (100, 100));
        // A pixel is 0.25 arcsec, and a degree of right ascension half a degree there. 0 is 360.
        let degrees = |pixels: f64| pixels * 0.25 / 3600.0 / 60.0_f64.to_radians().cos();
        for same in [
            header(0.0, 50.5, "NMGY"),
            header(360.0 - degrees(0.9), 50.5, "nmgy"),
            header(0.0, 51.4, "nmgy"),
            Header::default(),
        ] {
            assert_eq!(compare(&same), None);
        }
        let shifted = compare(&header(360.0 - degrees(3.0), 50.5, "nmgy"));
        assert!(shifted.unwrap().contains("up to 3.0 pixels away from"));
        let shifted = compare(&header(0.0, 52.5, "nmgy"));
        assert!(shifted.unwrap().contains("2.0 pixels"));
        let unit = compare(&header(0.0, 50.5, "adu")).unwrap();
        assert!(unit.contains("it is in adu"), "{unit}");
    }
}
