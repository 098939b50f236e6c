//! What bands are called, and which of them are shown as which colour.

use super::header::Header;

/// The names of the planes of a cube: `BANDS` ("grz", or words), or `BAND0`, `BAND1` and so on, or from 1.
pub(super) fn names_of_planes(header: &Header) -> Option<Vec<String>> {
    if let Some(bands) = header.text("BANDS") {
        let is_apart = bands.contains([',', ' ', ';']);
        let names: Vec<String> = if is_apart {
            let words = bands.split([',', ' ', ';']).filter(|word| !word.is_empty());
            words.map(plain_name).collect()
        } else {
            bands.chars().map(String::from).collect()
        };
        return Some(names);
    }
    [0, 1].into_iter().find_map(|first| {
        let name = |index: usize| header.text(&format!("BAND{index}")).map(plain_name);
        let names: Vec<String> = (first..).map_while(name).collect();
        (!names.is_empty()).then_some(names)
    })
}

/// The name of the band of an image that is one.
pub(super) fn name_of_image(header: &Header) -> Option<String> {
    let named = ["FILTER", "BAND", "BANDS", "BAND0", "FILTER1", "FILTNAM1"]
        .iter()
        .find_map(|key| header.text(key));
    if let Some(name) = named {
        return Some(plain_name(name));
    }
    // An extension may be named after its band, or after anything else. Programs write its name in capitals, so
    // that Johnson's bands can't be told from SDSS's; cutouts are of the latter.
    let name = plain_name(header.text("EXTNAME")?);
    let name = match name.as_str() {
        "U" | "G" | "R" | "I" | "Z" => name.to_ascii_lowercase(),
        _ => name,
    };
    wavelength(&name).map(|_| name)
}

/// A band's name without what telescopes put around it: `r DECam SDSS c0002 6415.0 1480.0`, `HSC-R`, `i.MP9702`
/// and `SDSS_r` are r and i.
pub(super) fn plain_name(name: &str) -> String {
    let words: Vec<&str> = name
        .split([' ', '.', '_', '-', ','])
        .filter(|word| !word.is_empty())
        .collect();
    match words[..] {
        [first, ..] if first.len() == 1 => first.to_owned(),
        [instrument, band, ..] if band.len() == 1 => match instrument.to_ascii_lowercase().as_str()
        {
            // Its filters have capitals, and are those of SDSS.
            "hsc" => band.to_ascii_lowercase(),
            "sdss" | "decam" | "des" | "ps1" | "lsst" | "kids" | "nir" | "nisp" => band.to_owned(),
            _ => name.trim().to_owned(),
        },
        _ => name.trim().to_owned(),
    }
}

/// About where a band lies, in nanometres; `None` for a name that is none of the usual ones.
fn wavelength(name: &str) -> Option<u32> {
    Some(match name {
        "u" | "U" => 355,
        "B" => 445,
        "g" => 475,
        "V" => 551,
        "r" => 622,
        "R" => 658,
        "i" => 763,
        "I" => 806,
        "z" | "Z" => 905,
        "y" | "Y" => 1020,
        "J" => 1250,
        "H" => 1650,
        "K" | "Ks" => 2150,
        _ => return None,
    })
}

/// The bands that show a galaxy's shape best by themselves, the best first.
const GREY: [&str; 7] = ["r", "i", "R", "I", "z", "g", "V"];

/// Which bands of a file are shown, by their place in the file: one as grey, or three as red, green and blue
/// (or, for the stretch `legacy`, three or four from blue to red).
pub(super) type Selection = Vec<usize>;

/// The one band of several that is shown as grey when no colours can be made of them.
pub(super) fn one_of(names: &[Option<&str>]) -> usize {
    let known = GREY.iter().find_map(|wanted| place(names, wanted));
    known.unwrap_or(0)
}

/// Where the band of this name is.
pub(super) fn place(names: &[Option<&str>], wanted: &str) -> Option<usize> {
    names.iter().position(|name| *name == Some(wanted))
}

/// The bands of these names, or which one is missing.
pub(super) fn named(names: &[Option<&str>], wanted: &[String]) -> Result<Selection, String> {
    let find = |name: &String| {
        place(names, name).ok_or_else(|| {
            format!(
                "colours names the band {name}, and the file has {}",
                list(names)
            )
        })
    };
    wanted.iter().map(find).collect()
}

/// Three bands as red, green and blue by their wavelength: all that there are, or z (or i), r and g of more.
pub(super) fn by_wavelength(names: &[Option<&str>]) -> Result<Selection, String> {
    if names.len() == 3 {
        let find = |index: usize| Some((wavelength(names[index]?)?, index));
        let mut found: Vec<(u32, usize)> = (0..3).filter_map(find).collect();
        if found.len() == 3 {
            found.sort_unstable_by(|one, other| other.cmp(one));
            return Ok(found.into_iter().map(|(_, index)| index).collect());
        }
    }
    if names.len() > 3 {
        let red = place(names, "z").or_else(|| place(names, "i"));
        if let (Some(red), Some(green), Some(blue)) = (red, place(names, "r"), place(names, "g")) {
            return Ok(vec![red, green, blue]);
        }
    }
    Err(format!(
        "it can't be told which of the bands {} are red, green and blue (set colours)",
        list(names)
    ))
}

/// The names, for messages.
pub(super) fn list(names: &[Option<&str>]) -> String {
    let names: Vec<&str> = names
        .iter()
        .map(|name| name.unwrap_or("(unnamed)"))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_telescopes_are_read() {
        for (name, band) in [
            ("r DECam SDSS c0002 6415.0 1480.0", "r"),
            ("HSC-R", "r"),
            ("i.MP9702", "i"),
            ("SDSS_g", "g"),
            ("sdss z", "z"),
            ("g.00000", "g"),
            ("NIR_Y", "Y"),
            ("VIS", "VIS"),
            ("F606W", "F606W"),
            ("a long name", "a"),
        ] {
            assert_eq!(plain_name(name), band, "{name}");
        }
    }

    #[test]
    fn colours_are_by_wavelength_whatever_the_order() {
        let of = |names: &[&str]| {
            let names: Vec<Option<&str>> = names.iter().copied().map(Some).collect();
            by_wavelength(&names)
        };
        assert_eq!(of(&["g", "r", "z"]), Ok(vec![2, 1, 0]));
        assert_eq!(of(&["z", "g", "r"]), Ok(vec![0, 2, 1]));
        assert_eq!(of(&["H", "Y", "J"]), Ok(vec![0, 2, 1]));
        assert_eq!(of(&["u", "g", "r", "i", "z"]), Ok(vec![4, 2, 1]));
        assert!(of(&["g", "r"]).unwrap_err().contains("set colours"));
        assert!(of(&["F606W", "F814W", "F435W"]).is_err());
    }
}
