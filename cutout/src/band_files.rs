//! Images whose bands lie in files of their own: `m51_g.fits`, `m51_r.fits` and `m51_z.fits`.
//!
//! Their names say which files belong together, by a pattern that somebody gave. Of one name follow those of all
//! others, so nothing is searched for. Everything but the band must be alike, the ending too.

use std::path::Path;

use crate::name_pattern::NamePattern;
use crate::{Identity, PatternFault, name_and_extension};

/// How files are named that have one band each, and which bands there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BandFiles {
    pattern: NamePattern,
    bands: Vec<String>,
}

/// Settings that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BandFilesFault {
    /// The pattern can't be used.
    #[error("{0}")]
    Pattern(#[from] PatternFault),
    /// A set of one band, or of none, is no set.
    #[error("it needs the names of two bands or more in bands")]
    NoBands,
    /// Two bands could not be told apart.
    #[error("the band '{0}' twice in bands")]
    Twice(String),
}

/// The files of one image, those that may be missing included.
#[derive(Debug, Clone, PartialEq)]
pub struct BandSet {
    /// The name of each band's file, in the order of the bands.
    pub names: Vec<String>,
    /// The place of the file that was asked for.
    pub asked: usize,
    /// What the names say of the object. Where they have no id, it is what they have in common.
    pub identity: Identity,
}

/// What stands between the band and the rest of a name.
const SEPARATORS: [char; 4] = ['_', '-', '.', ' '];

impl BandFiles {
    /// `pattern` is that of the whole name, with its ending and with `{band}` in it; `bands` are the bands as the names
    /// have them.
    ///
    /// # Errors
    /// See [`BandFilesFault`].
    pub fn new(pattern: &str, bands: &[String]) -> Result<Self, BandFilesFault> {
        let pattern = NamePattern::with_band(pattern)?;
        if bands.len() < 2 {
            return Err(BandFilesFault::NoBands);
        }
        for (place, band) in bands.iter().enumerate() {
            if bands[..place].contains(band) {
                return Err(BandFilesFault::Twice(band.clone()));
            }
        }
        Ok(Self {
            pattern,
            bands: bands.to_vec(),
        })
    }

    /// The bands, as the names have them.
    pub fn bands(&self) -> &[String] {
        &self.bands
    }

    /// The files that belong together with the one of this name; `None` if it is not named like the pattern.
    pub fn set_of(&self, name: &str) -> Option<BandSet> {
        let read = self.pattern.read_band(name, &self.bands)?;
        let (before, after) = (read.before, read.after);
        let of_band = |band: &String| format!("{before}{band}{after}");
        let mut identity = read.identity;
        if identity.object_id.is_empty() {
            let common = format!("{}{after}", before.trim_end_matches(SEPARATORS));
            let (stem, _) = name_and_extension(Path::new(&common));
            let stem = stem.and_then(|stem| stem.to_str()).unwrap_or(&common);
            stem.trim_matches(SEPARATORS)
                .clone_into(&mut identity.object_id);
        }
        Some(BandSet {
            names: self.bands.iter().map(of_band).collect(),
            asked: read.band,
            identity,
        })
    }
}

impl std::fmt::Display for BandFiles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.pattern.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn files(pattern: &str, bands: &str) -> BandFiles {
        BandFiles::new(pattern, &names(bands)).unwrap()
    }

    #[test]
    fn one_name_leads_to_those_of_all_bands() {
        let files = files("{object_id}_{band}.fits", "g r z");
        let set = files.set_of("NGC_1_r.fits").unwrap();
        assert_eq!(set.names, names("NGC_1_g.fits NGC_1_r.fits NGC_1_z.fits"));
        assert_eq!((set.asked, &*set.identity.object_id), (1, "NGC_1"));
        assert_eq!(files.set_of("NGC_1_z.fits").unwrap().names, set.names);
        for other in [
            "NGC_1_u.fits",
            "NGC_1_r.fits.fz",
            "NGC_1_r.fit",
            "r.fits",
            "_r.fits",
            "NGC_1_R.fits",
        ] {
            assert_eq!(files.set_of(other), None, "{other}");
        }
    }

    #[test]
    fn names_say_where_the_object_is_and_what_it_is_called() {
        let id = |pattern: &str, name: &str| {
            let set = files(pattern, "HSC-G HSC-R").set_of(name).unwrap();
            let position = set.identity.position.map(|(at, _)| (at.ra(), at.dec()));
            (set.identity.object_id, position)
        };
        let at = Some((1.5, -2.25));
        assert_eq!(
            id(
                "cutout_{ra}_{dec}_{band}.fits.fz",
                "cutout_1.5_-2.25_HSC-R.fits.fz"
            ),
            ("cutout_1.5_-2.25".into(), at)
        );
        assert_eq!(
            id("{band}_{ra}_{dec}.fits", "HSC-G_1.5_-2.25.fits"),
            ("1.5_-2.25".into(), at)
        );
        assert_eq!(
            id("cutout-{band}-{object_id}.fits", "cutout-HSC-R-9.fits"),
            ("9".into(), None)
        );
    }

    #[test]
    fn a_name_that_can_be_read_in_two_ways_is_in_no_set() {
        let files = files("{object_id}_{band}-{ra}_{dec}.fits", "g r");
        assert!(files.set_of("a_g-1.5_2.5.fits").is_some());
        let twice = self::files("{band}.{object_id}.{ra}_{dec}", "g g.1");
        assert_eq!(twice.set_of("g.1.x.1_2"), None);
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let fault = |pattern: &str, bands: &str| {
            let fault = BandFiles::new(pattern, &names(bands));
            fault.unwrap_err().to_string()
        };
        assert_eq!(fault("{object_id}.fits", "g r"), "no {band} in it");
        assert!(fault("{band}.fits", "g r").starts_with("none of {object_id}"));
        assert!(fault("{object_id}{band}", "g r").starts_with("nothing between"));
        assert!(fault("{object_id}_{band}.fits", "g").contains("two bands"));
        assert_eq!(
            fault("{object_id}_{band}.fits", "g r g"),
            "the band 'g' twice in bands"
        );
        assert!("{object_id}_{band}".parse::<NamePattern>().is_err());
    }
}
