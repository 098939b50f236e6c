//! Positions and angles as astronomers write them: `185.73,15.82,2'` or `12:22:55.2,+15:49:12,30"`.

use crate::Cone;

/// Reads `RA,DEC,RADIUS`.
pub fn cone(text: &str) -> Result<Cone, String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let [ra, dec, radius] = parts[..] else {
        return Err(
            "must be RA,DEC,RADIUS, such as 185.73,15.82,0.1 or 12:22:55.2,+15:49:12,30\"".into(),
        );
    };
    let ra = right_ascension(ra)?;
    let dec = declination(dec)?;
    let radius = angle(radius).filter(|radius| *radius > 0.0 && *radius <= 180.0);
    let radius = radius.ok_or("the radius must be an angle above 0: degrees, or 5', or 30\"")?;
    Ok(Cone { ra, dec, radius })
}

/// Degrees, or hours in sexagesimal; degrees there, too, if they are marked by a `d`.
fn right_ascension(text: &str) -> Result<f64, String> {
    let degrees = match sexagesimal(text) {
        Some((number, 'd')) => Some(number),
        Some((hours, _)) => Some(hours * 15.0),
        None => text.parse().ok(),
    };
    degrees
        .filter(|ra| (0.0..=360.0).contains(ra))
        .ok_or_else(|| {
            "the right ascension must be 0 to 360 degrees, or hours such as 12:22:55.2".to_owned()
        })
}

/// Degrees, in sexagesimal or not.
fn declination(text: &str) -> Result<f64, String> {
    let degrees = match sexagesimal(text) {
        Some((_, 'h')) => None,
        Some((number, _)) => Some(number),
        None => text.parse().ok(),
    };
    degrees
        .filter(|dec| (-90.0..=90.0).contains(dec))
        .ok_or_else(|| {
            "the declination must be -90 to 90 degrees, such as 15.82 or +15:49:12".to_owned()
        })
}

/// Reads how far a match may be away: arcsec, or with its unit. In degrees.
pub fn separation(text: &str) -> Result<f64, String> {
    let is_plain = text.parse::<f64>().is_ok();
    let angle = angle(text).map(|angle| if is_plain { angle / 3600.0 } else { angle });
    angle
        .filter(|angle| *angle > 0.0 && *angle <= 180.0)
        .ok_or_else(|| "must be an angle above 0: arcsec, or 0.1', or 0.001deg".to_owned())
}

/// An angle in degrees: `0.1`, `0.1deg`, `5'`, `5arcmin`, `30"` or `30arcsec`.
fn angle(text: &str) -> Option<f64> {
    for (unit, degrees) in [
        ("arcsec", 1.0 / 3600.0),
        ("\"", 1.0 / 3600.0),
        ("arcmin", 1.0 / 60.0),
        ("'", 1.0 / 60.0),
        ("deg", 1.0),
        ("", 1.0),
    ] {
        if let Some(number) = text.strip_suffix(unit) {
            let number: f64 = number.trim().parse().ok()?;
            return number.is_finite().then_some(number * degrees);
        }
    }
    None
}

/// `12:22:55.2`, `-0:30`, `12h22m55.2s` or `+15d49m12s`, in its first unit, and the sign of that: `:`, `h` or `d`. `None`
/// for what is no such number.
fn sexagesimal(text: &str) -> Option<(f64, char)> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let unit = digits.chars().find(|c| [':', 'h', 'd'].contains(c))?;
    let separators = if unit == ':' {
        [':', ':', '\0']
    } else {
        [unit, 'm', 's']
    };
    let mut rest = digits;
    let mut value = 0.0;
    let mut scale = 1.0;
    for (at, separator) in separators.into_iter().enumerate() {
        let (part, behind) = rest.split_once(separator).unwrap_or((rest, ""));
        let is_plain = part
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number: f64 = part.parse().ok().filter(|_| is_plain)?;
        if at > 0 && number >= 60.0 {
            return None;
        }
        value += number / scale;
        scale *= 60.0;
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    rest.is_empty().then_some((sign * value, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_separation_is_in_arcsec() {
        let close = |text: &str, degrees: f64| (separation(text).unwrap() - degrees).abs() < 1e-12;
        assert!(close("2", 2.0 / 3600.0));
        assert!(close("2\"", 2.0 / 3600.0));
        assert!(close("0.5'", 0.5 / 60.0));
        assert!(close("0.001deg", 0.001));
        for text in ["0", "-1", "nan", "inf", "", "x", "181deg"] {
            assert!(separation(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_cone_is_read_in_degrees_and_in_sexagesimal() {
        let read = |text: &str| cone(text).unwrap();
        let close = |cone: Cone, [ra, dec, radius]: [f64; 3]| {
            (cone.ra - ra).abs() < 1e-9
                && (cone.dec - dec).abs() < 1e-9
                && (cone.radius - radius).abs() < 1e-12
        };
        assert!(close(read("185.73, 15.82, 0.1"), [185.73, 15.82, 0.1]));
        assert!(close(
            read("12:22:55.2,+15:49:12,30\""),
            [185.73, 15.82, 1.0 / 120.0]
        ));
        assert!(close(read("12h22m55.2s,-0d30m,3'"), [185.73, -0.5, 0.05]));
        assert!(close(read("0,-90,2arcmin"), [0.0, -90.0, 1.0 / 30.0]));
        assert!(close(read("10d30m,-0d30m,1"), [10.5, -0.5, 1.0]));
        assert!(close(read("0h30m,1:30,1"), [7.5, 1.5, 1.0]));
        for (text, part) in [
            ("12,13", "RA,DEC,RADIUS"),
            ("400,0,1", "right ascension"),
            ("12:70:00,0,1", "right ascension"),
            ("25:00:00,0,1", "right ascension"),
            ("10:30d,0,1", "right ascension"),
            ("10h30:00,0,1", "right ascension"),
            ("1:2:3:4,0,1", "right ascension"),
            ("h,0,1", "right ascension"),
            ("10,1h30m,1", "declination"),
            ("10,91,1", "declination"),
            ("10,x,1", "declination"),
            ("10,10,0", "radius"),
            ("10,10,-1", "radius"),
            ("10,10,nan", "radius"),
            ("10,10,181", "radius"),
        ] {
            assert!(cone(text).unwrap_err().contains(part), "{text}");
        }
    }
}
