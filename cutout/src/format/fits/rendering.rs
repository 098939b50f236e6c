//! Which bands are shown, and through which stretch.

use serde::{Deserialize, Serialize};

use super::header::Header;
use super::names::{Selection, by_wavelength, list, named, one_of, place};
use super::stretch::{LEGACY_BANDS, SDSS_BANDS};
use crate::Stretch;

/// How FITS images are shown. By default, what a file says of itself decides:
///
/// - nanomaggies in g, r and z (and i) are shown as the Legacy Surveys' viewer does, in g, r and i as SDSS does;
/// - anything else is shown as one band, grey, through [`Stretch::Asinh`]: what colours would be can't be known
///   without the unit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rendering {
    /// The stretch; `None` to choose by the file.
    pub stretch: Option<Stretch>,
    /// The names of the bands, in the order of the file; none to take the file's own names.
    pub bands: Vec<String>,
    /// Which bands are red, green and blue, or the one that is grey; none to choose by their wavelength. The
    /// stretches of surveys have colours of their own.
    pub colours: Vec<String>,
}

/// Surveys whose cutouts come in nanomaggies without saying so (`SURVEY` in the headers of the Legacy Surveys'
/// cutouts).
const LEGACY_SURVEYS: [&str; 4] = ["decals", "mzls", "bass", "legacysurvey"];

impl Rendering {
    /// What [`Rendering::default`] is.
    pub const DEFAULT: Self = Self {
        stretch: None,
        bands: Vec::new(),
        colours: Vec::new(),
    };

    /// The rendering as text: the same content, rendered by two of the same text, gives the same pixels. `None` for
    /// the default.
    pub fn key(&self) -> Option<String> {
        if *self == Self::DEFAULT {
            return None;
        }
        let stretch = self.stretch.map(|stretch| stretch.to_string());
        let lists = [("bands", &self.bands), ("colours", &self.colours)]
            .map(|(name, list)| (!list.is_empty()).then(|| format!("{name} {}", list.join(","))));
        let parts: Vec<String> = stretch
            .into_iter()
            .chain(lists.into_iter().flatten())
            .collect();
        Some(parts.join("; "))
    }

    /// The stretch for a file with these bands, and which of them it shows.
    pub(super) fn choose(
        &self,
        header: &Header,
        names: &[Option<&str>],
    ) -> Result<(Stretch, Selection), String> {
        match self.stretch {
            Some(stretch) => Ok((stretch, self.select(stretch, names)?)),
            None if self.colours.is_empty() => Ok(automatic(header, names)),
            None => Ok((Stretch::Asinh, self.select(Stretch::Asinh, names)?)),
        }
    }

    /// The bands that a stretch shows.
    fn select(&self, stretch: Stretch, names: &[Option<&str>]) -> Result<Selection, String> {
        if !self.colours.is_empty() {
            let shown = named(names, &self.colours)?;
            return match (stretch, shown.len()) {
                (Stretch::Legacy | Stretch::Sdss, 3) => Err(format!(
                    "stretch {stretch} has colours of its own (leave out colours, or name one band)"
                )),
                _ => Ok(shown),
            };
        }
        match stretch {
            _ if names.len() == 1 => Ok(vec![0]),
            Stretch::Legacy => legacy(names).ok_or_else(|| {
                let names = list(names);
                format!(
                    "stretch legacy needs the bands g, r and z (or i), and the file has {names}"
                )
            }),
            Stretch::Sdss => sdss(names).ok_or_else(|| {
                let names = list(names);
                format!("stretch sdss needs the bands g, r and i, and the file has {names}")
            }),
            _ => by_wavelength(names),
        }
    }
}

/// What a file is shown as when nobody says it.
fn automatic(header: &Header, names: &[Option<&str>]) -> (Stretch, Selection) {
    let survey = header
        .text("SURVEY")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_legacy = LEGACY_SURVEYS.iter().any(|known| survey.contains(known));
    let unit = header
        .text("BUNIT")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_known_flux = is_legacy || ["nanomaggy", "nanomaggies", "nmgy"].contains(&unit.as_str());
    let recipes = if is_legacy {
        [(Stretch::Legacy, legacy(names)), (Stretch::Sdss, None)]
    } else {
        [
            (Stretch::Sdss, sdss(names)),
            (Stretch::Legacy, legacy(names)),
        ]
    };
    for (stretch, bands) in recipes {
        if let Some(bands) = bands.filter(|_| is_known_flux) {
            return (stretch, bands);
        }
    }
    (Stretch::Asinh, vec![one_of(names)])
}

/// The bands of [`Stretch::Legacy`], from blue to red.
fn legacy(names: &[Option<&str>]) -> Option<Selection> {
    let found: Vec<(&str, usize)> = LEGACY_BANDS
        .iter()
        .filter_map(|band| Some((*band, place(names, band)?)))
        .collect();
    let has = |band: &str| found.iter().any(|(name, _)| *name == band);
    (has("g") && has("r") && found.len() >= 3)
        .then(|| found.into_iter().map(|(_, index)| index).collect())
}

/// The bands of [`Stretch::Sdss`], from red to blue.
fn sdss(names: &[Option<&str>]) -> Option<Selection> {
    SDSS_BANDS.iter().map(|band| place(names, band)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(
        rendering: &Rendering,
        texts: &[(&str, &str)],
        names: &str,
    ) -> Result<(&'static str, Selection), String> {
        let names: Vec<Option<&str>> = names.split(' ').map(Some).collect();
        let (stretch, shown) = rendering.choose(&Header::of(&[], texts), &names)?;
        Ok((stretch.name(), shown))
    }

    #[test]
    fn a_file_that_says_what_it_is_needs_no_setting() {
        let choose =
            |texts: &[(&str, &str)], names| choose(&Rendering::default(), texts, names).unwrap();
        let legacy = [("SURVEY", "DECaLS")];
        let nanomaggies = [("BUNIT", "nanomaggy")];
        assert_eq!(choose(&legacy, "g r z"), ("legacy", vec![0, 1, 2]));
        assert_eq!(choose(&legacy, "z r i g"), ("legacy", vec![3, 1, 2, 0]));
        assert_eq!(choose(&nanomaggies, "g r i z"), ("sdss", vec![2, 1, 0]));
        assert_eq!(choose(&nanomaggies, "g r z"), ("legacy", vec![0, 1, 2]));
        // Without the unit, colours would be a guess.
        assert_eq!(choose(&[], "g r z"), ("asinh", vec![1]));
        assert_eq!(choose(&[("BUNIT", "MJy/sr")], "J H K"), ("asinh", vec![0]));
        assert_eq!(choose(&nanomaggies, "r"), ("asinh", vec![0]));
    }

    #[test]
    fn a_stretch_for_bands_that_are_not_there_says_so() {
        let with = |stretch: &str, colours: &[&str]| Rendering {
            stretch: Some(stretch.parse().unwrap()),
            bands: Vec::new(),
            colours: colours.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(
            choose(&with("sdss", &[]), &[], "g r z").unwrap_err(),
            "stretch sdss needs the bands g, r and i, and the file has g, r, z"
        );
        assert_eq!(
            choose(&with("legacy", &[]), &[], "u J K").unwrap_err(),
            "stretch legacy needs the bands g, r and z (or i), and the file has u, J, K"
        );
        let fault = choose(&with("lupton", &["z", "r", "H"]), &[], "g r z").unwrap_err();
        assert_eq!(fault, "colours names the band H, and the file has g, r, z");
        let fault = choose(&with("legacy", &["z", "r", "g"]), &[], "g r z").unwrap_err();
        assert!(fault.contains("colours of its own"), "{fault}");
        let fault = choose(&with("asinh", &[]), &[], "VIS Y").unwrap_err();
        assert!(fault.contains("set colours"), "{fault}");
    }

    #[test]
    fn colours_that_are_given_are_taken() {
        let rendering = |stretch: Option<Stretch>, colours: &[&str]| Rendering {
            stretch,
            bands: Vec::new(),
            colours: colours.iter().map(|name| (*name).to_owned()).collect(),
        };
        let all = rendering(None, &["VIS", "Y", "VIS"]);
        assert_eq!(choose(&all, &[], "VIS Y"), Ok(("asinh", vec![0, 1, 0])));
        let one = rendering(Some(Stretch::Legacy), &["z"]);
        assert_eq!(choose(&one, &[], "g r z"), Ok(("legacy", vec![2])));
    }
}
