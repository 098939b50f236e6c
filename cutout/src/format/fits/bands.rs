//! Which planes of a file are which bands.
//!
//! A band is known by its *name*. The order of planes differs from survey to survey, and a picture whose red
//! and blue are exchanged looks like a picture. Where names are needed and missing, that is an error which
//! says how to give them.

use super::alike::difference;
use super::file::{FitsFile, ImageUnit};
use super::header::Header;
use super::names::{name_of_image, names_of_planes, plain_name};
use crate::DecodeError;

/// A cube with more planes than this along an axis is no set of bands.
const MOST_BANDS: usize = 16;

/// Words in the name of an extension that is no picture of the sky: weights, masks, errors, models.
const NO_IMAGE: [&str; 29] = [
    "invvar", "ivar", "weight", "weights", "wht", "wt", "mask", "maskbits", "masks", "flag",
    "flags", "dq", "err", "error", "errors", "var", "variance", "std", "stdev", "sigma", "rms",
    "noise", "exp", "nexp", "exptime", "psf", "model", "resid", "bkg",
];

/// The bands of a file.
#[derive(Debug)]
pub(super) struct Bands {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) planes: Vec<Plane>,
}

/// Where one band is in its file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plane {
    /// The number of its file, of several.
    pub(super) file: usize,
    /// The number of its image in [`FitsFile::images`].
    pub(super) image: usize,
    /// The FITS axes of columns and rows, counted from 1.
    pub(super) axes: (usize, usize),
    /// The FITS axis along which the bands lie, and its place there, counted from 0; `None` for an image that
    /// is one band.
    depth: Option<(usize, usize)>,
    /// Its name, where one is known.
    pub(super) name: Option<String>,
}

impl Bands {
    /// Finds the bands of a file. `given` are their names in the order of the file; with none, the file's own
    /// names count.
    pub(super) fn of(file: &FitsFile, given: &[String]) -> Result<Self, DecodeError> {
        let bands = Self::named(file, given)?;
        bands.check_names()?;
        Ok(bands)
    }

    /// The same, where names may be missing.
    fn named(file: &FitsFile, given: &[String]) -> Result<Self, DecodeError> {
        let is_sky = |image: &&(usize, &ImageUnit)| !is_no_image(&image.1.header);
        let all: Vec<(usize, &ImageUnit)> = file.images.iter().enumerate().collect();
        let images: Vec<(usize, &ImageUnit)> = all.iter().filter(is_sky).copied().collect();
        let Some((first, unit)) = images.first() else {
            return Err(DecodeError::NoImage(if all.is_empty() {
                "a FITS file without an image in it".into()
            } else {
                "a FITS file with nothing but weights, masks and the like".into()
            }));
        };
        let mut bands = Self::of_image(*first, unit, given)?;
        if bands.planes.len() == 1 {
            for (number, unit) in &images[1..] {
                let more = Self::of_image(*number, unit, &[])?;
                if more.planes.len() > 1 {
                    return Err(DecodeError::Unsupported(
                        "an image and a cube in one FITS file".into(),
                    ));
                }
                if (more.width, more.height) != (bands.width, bands.height) {
                    return Err(DecodeError::Unsupported(format!(
                        "FITS images of different size: {} x {} and {} x {} pixels",
                        bands.width, bands.height, more.width, more.height
                    )));
                }
                bands.planes.extend(more.planes);
            }
            bands.name_planes(given)?;
        }
        Ok(bands)
    }

    /// The bands of files that have one band each, of the name that is given with the file. There is at least one.
    pub(super) fn of_files(files: &[(&str, FitsFile)]) -> Result<Self, DecodeError> {
        let known: Vec<String> = files.iter().map(|(band, _)| plain_name(band)).collect();
        let mut all: Option<Self> = None;
        for (number, (band, file)) in files.iter().enumerate() {
            let fault = |fault: DecodeError| fault.of_band(band);
            let unsupported = |what| fault(DecodeError::Unsupported(what));
            let mut own = Self::named(file, &[]).map_err(fault)?;
            let [plane] = &mut *own.planes else {
                let count = own.planes.len();
                return Err(unsupported(format!("it has {count} bands")));
            };
            plane.file = number;
            // Programs name bands in many ways. A file that says that it has another band of these is in the wrong place.
            if let Some(says) = &plane.name
                && *says != known[number]
                && known.contains(says)
            {
                return Err(DecodeError::MissingBands(format!(
                    "the file of band {band} says that it has the band {says}"
                )));
            }
            plane.name = Some(known[number].clone());
            let Some(all) = &mut all else {
                all = Some(own);
                continue;
            };
            if (own.width, own.height) != (all.width, all.height) {
                return Err(unsupported(format!(
                    "{} x {} pixels, and band {} has {} x {}",
                    own.width, own.height, files[0].0, all.width, all.height
                )));
            }
            let unit = |plane: &Plane| {
                let header = &files[plane.file].1.images[plane.image].header;
                (header, plane.axes)
            };
            let (first, other) = (unit(&all.planes[0]), unit(&own.planes[0]));
            if let Some(what) = difference(first, other, (all.width, all.height)) {
                return Err(unsupported(format!("{what} band {}", files[0].0)));
            }
            all.planes.append(&mut own.planes);
        }
        let all = all.expect("a set has a file");
        all.check_names()?;
        Ok(all)
    }

    /// The bands of one image.
    fn of_image(number: usize, unit: &ImageUnit, given: &[String]) -> Result<Self, DecodeError> {
        let unsupported = |fault: String| Err(DecodeError::Unsupported(fault));
        let shape = || {
            let lengths: Vec<String> = unit.axes.iter().map(usize::to_string).collect();
            lengths.join(" x ")
        };
        // An axis of length 1 says nothing, unless there are no others.
        let mut long: Vec<usize> = (1..=unit.axes.len())
            .filter(|axis| unit.axes[axis - 1] > 1)
            .collect();
        if long.len() < 2 {
            long = vec![1, 2];
        }
        let names = names_of_planes(&unit.header);
        let length = |axis: usize| unit.axes[axis - 1];
        let depth = match long.len() {
            2 => None,
            3 => {
                let count = if given.is_empty() {
                    names.as_ref().map(Vec::len)
                } else {
                    Some(given.len())
                };
                let found = band_axis(unit, &long, count);
                let Some(axis) = found else {
                    return unsupported(format!(
                        "it can't be told which axis of {} has the bands (set bands)",
                        shape()
                    ));
                };
                if length(axis) > MOST_BANDS {
                    return unsupported(format!("a cube of {} planes ({})", length(axis), shape()));
                }
                Some(axis)
            }
            _ => return unsupported(format!("a FITS image of {} axes ({})", long.len(), shape())),
        };
        let spatial: Vec<usize> = long
            .into_iter()
            .filter(|axis| Some(*axis) != depth)
            .collect();
        let axes = (spatial[0], spatial[1]);
        let side = |axis: usize| u32::try_from(length(axis)).unwrap_or(u32::MAX);
        let count = depth.map_or(1, length);
        let names = names.filter(|names| names.len() == count);
        let plane = |index: usize| Plane {
            file: 0,
            image: number,
            axes,
            depth: depth.map(|axis| (axis, index)),
            name: match &names {
                Some(names) => Some(names[index].clone()),
                None if count == 1 => name_of_image(&unit.header),
                None => None,
            },
        };
        let mut bands = Self {
            width: side(axes.0),
            height: side(axes.1),
            planes: (0..count).map(plane).collect(),
        };
        if count > 1 {
            bands.name_planes(given)?;
        }
        Ok(bands)
    }

    /// Gives the planes their names.
    fn name_planes(&mut self, given: &[String]) -> Result<(), DecodeError> {
        if given.is_empty() {
            return Ok(());
        }
        if given.len() != self.planes.len() {
            return Err(DecodeError::MissingBands(format!(
                "bands names {} ({}), and the file has {}",
                given.len(),
                given.join(", "),
                self.planes.len()
            )));
        }
        for (plane, name) in self.planes.iter_mut().zip(given) {
            plane.name = Some(name.clone());
        }
        Ok(())
    }

    /// Refuses two bands of one name, and several of which one has none.
    fn check_names(&self) -> Result<(), DecodeError> {
        if self.planes.len() == 1 {
            return Ok(());
        }
        let mut seen: Vec<&str> = Vec::new();
        for plane in &self.planes {
            let Some(name) = plane.name.as_deref() else {
                return Err(DecodeError::MissingBands(format!(
                    "the file does not say which bands its {} planes are (set bands)",
                    self.planes.len()
                )));
            };
            if seen.contains(&name) {
                return Err(DecodeError::MissingBands(format!(
                    "the file has the band {name} twice (set bands)"
                )));
            }
            seen.push(name);
        }
        Ok(())
    }

    /// The bands' names, as far as they are known.
    pub(super) fn names(&self) -> Vec<Option<&str>> {
        self.planes
            .iter()
            .map(|plane| plane.name.as_deref())
            .collect()
    }
}

impl Plane {
    /// The plane's pixels out of all values of its image. The first row is the last of the file: FITS counts
    /// rows from the bottom, and pictures from the top.
    pub(super) fn cut(&self, axes: &[usize], values: &[f32]) -> Vec<f32> {
        let step = |axis: usize| -> usize { axes[..axis - 1].iter().product() };
        let (columns, rows) = self.axes;
        let start = self.depth.map_or(0, |(axis, index)| index * step(axis));
        let (right, up) = (step(columns), step(rows));
        let (width, height) = (axes[columns - 1], axes[rows - 1]);
        let row = |y: usize| {
            let left = start + y * up;
            (0..width).map(move |x| values[left + x * right])
        };
        (0..height).rev().flat_map(row).collect()
    }
}

/// The axis along which the bands of a cube lie: the one that is not on the sky; else the one that has as many
/// planes as there are names; else the only short one.
fn band_axis(unit: &ImageUnit, long: &[usize], names: Option<usize>) -> Option<usize> {
    let only = |is_it: &dyn Fn(usize) -> bool| {
        let mut found = long.iter().copied().filter(|axis| is_it(*axis));
        match (found.next(), found.next()) {
            (Some(axis), None) => Some(axis),
            _ => None,
        }
    };
    let on_the_sky = |axis: usize| {
        let kind = unit
            .header
            .text(&format!("CTYPE{axis}"))
            .unwrap_or_default();
        ["RA--", "DEC-", "GLON", "GLAT"]
            .iter()
            .any(|sky| kind.starts_with(sky))
    };
    let count = |axis: usize| unit.axes[axis - 1];
    if long.iter().filter(|axis| on_the_sky(**axis)).count() == 2 {
        return only(&|axis| !on_the_sky(axis));
    }
    only(&|axis| Some(count(axis)) == names).or_else(|| only(&|axis| count(axis) <= MOST_BANDS))
}

/// Whether an extension says of itself that it is no picture of the sky.
fn is_no_image(header: &Header) -> bool {
    ["EXTNAME", "IMAGETYP", "EXTTYPE"].iter().any(|key| {
        let name = header.text(key).unwrap_or_default().to_ascii_lowercase();
        let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
        words.any(|word| NO_IMAGE.contains(&word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_masks_are_no_images() {
        let is_no_image = |name: &str| is_no_image(&Header::of(&[], &[("EXTNAME", name)]));
        for name in ["INVVAR", "MASKBITS", "sci_err", "DQ", "r-weight"] {
            assert!(is_no_image(name), "{name}");
        }
        for name in ["SCI", "r", "image", "CHANNEL_1", "experiment"] {
            assert!(!is_no_image(name), "{name}");
        }
    }

    #[test]
    fn a_plane_is_cut_from_any_axis_with_its_last_row_on_top() {
        // Value = 100 * band + 10 * row + column, with 2 bands of 3 x 2 pixels.
        let value = |band: usize, y: usize, x: usize| (100 * band + 10 * y + x) as f32;
        for depth in 1..=3 {
            let mut axes = vec![3, 2];
            axes.insert(depth - 1, 2);
            let mut spatial: Vec<usize> = (1..=3).filter(|axis| *axis != depth).collect();
            let rows = spatial.pop().unwrap();
            let columns = spatial.pop().unwrap();
            let mut values = vec![0.0; 12];
            for (index, slot) in values.iter_mut().enumerate() {
                let at = [
                    index % axes[0],
                    index / axes[0] % axes[1],
                    index / axes[0] / axes[1],
                ];
                *slot = value(at[depth - 1], at[rows - 1], at[columns - 1]);
            }
            let plane = Plane {
                file: 0,
                image: 0,
                axes: (columns, rows),
                depth: Some((depth, 1)),
                name: None,
            };
            let expected = [110.0, 111.0, 112.0, 100.0, 101.0, 102.0];
            assert_eq!(plane.cut(&axes, &values), expected, "axis {depth}");
        }
    }
}
