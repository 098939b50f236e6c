//! Which object an image shows, and where that is on the sky.

use std::fmt;

/// A place on the sky, in degrees (ICRS). It always is one: there is no other way to make it than
/// [`new`](Self::new).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    ra: f64,
    dec: f64,
}

impl Position {
    /// The place with this right ascension, from 0 to 360, and declination, from -90 to 90; `None` if there is no such
    /// place. A right ascension of 360 is 0.
    pub fn new(ra: f64, dec: f64) -> Option<Self> {
        let is_one = (0.0..=360.0).contains(&ra) && (-90.0..=90.0).contains(&dec);
        // Adding 0 makes 0 of -0.
        let ra = if ra == 360.0 { 0.0 } else { ra + 0.0 };
        is_one.then_some(Self { ra, dec: dec + 0.0 })
    }

    /// Right ascension, from 0 to under 360.
    pub const fn ra(self) -> f64 {
        self.ra
    }

    /// Declination.
    pub const fn dec(self) -> f64 {
        self.dec
    }
}

/// Where a position comes from. The first that has one is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PositionSource {
    /// A table that came with the images.
    Manifest,
    /// The name of the file.
    Name,
    /// The world coordinate system of a FITS image.
    Wcs,
    /// Astronomy Visualization Metadata in a JPEG or PNG image.
    Avm,
}

impl PositionSource {
    /// All, the most trusted first.
    pub const ALL: [Self; 4] = [Self::Manifest, Self::Name, Self::Wcs, Self::Avm];

    /// The name in catalogs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Name => "name",
            Self::Wcs => "wcs",
            Self::Avm => "avm",
        }
    }

    /// The source of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }

    /// Whether the content of the file says it.
    pub const fn is_content(self) -> bool {
        matches!(self, Self::Wcs | Self::Avm)
    }
}

impl fmt::Display for PositionSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Which object an image shows, and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The name of the object.
    pub object_id: String,
    /// Where it is, and who says so.
    pub position: Option<(Position, PositionSource)>,
    /// Its radius, petroR90, in arcsec.
    pub radius: Option<f64>,
}

impl Identity {
    /// An object of which only the name is known.
    pub const fn named(object_id: String) -> Self {
        Self {
            object_id,
            position: None,
            radius: None,
        }
    }

    /// Takes over a position that the content of the file gives, if there is none yet.
    pub fn complete(&mut self, position: Option<(Position, PositionSource)>) {
        self.position = self.position.or(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_lies_on_the_sphere() {
        let parts = |ra, dec| Position::new(ra, dec).map(|at| (at.ra(), at.dec()));
        assert_eq!(parts(12.5, -90.0), Some((12.5, -90.0)));
        assert_eq!(parts(360.0, 90.0), Some((0.0, 90.0)));
        for (ra, dec) in [
            (-0.1, 0.0),
            (360.1, 0.0),
            (0.0, 90.1),
            (0.0, -90.1),
            (f64::NAN, 0.0),
            (0.0, f64::NAN),
            (f64::INFINITY, 0.0),
        ] {
            assert_eq!(Position::new(ra, dec), None, "{ra} {dec}");
        }
        assert!(Position::new(-0.0, -0.0).is_some_and(|at| at.ra().is_sign_positive()));
    }

    #[test]
    fn the_content_says_where_an_object_is_if_nothing_else_does() {
        let at = |ra, source| Position::new(ra, 0.0).map(|position| (position, source));
        let mut identity = Identity::named("x".into());
        identity.complete(None);
        identity.complete(at(1.0, PositionSource::Wcs));
        identity.complete(at(2.0, PositionSource::Avm));
        assert_eq!(identity.position, at(1.0, PositionSource::Wcs));
        for source in PositionSource::ALL {
            assert_eq!(PositionSource::of_name(source.as_str()), Some(source));
        }
        assert!(PositionSource::ALL.is_sorted());
    }
}
