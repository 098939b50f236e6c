//! What was found in a sample of a folder's images.

use std::collections::BTreeMap;
use std::path::Path;

use galmorph_cutout::{
    Flags, Image, Limits, Look, Position, PositionSource, Preprocessing, RejectReason,
};
use serde::Serialize;

use super::super::image::ImageFiles;
use super::advice::{Advice, advise};
use crate::config::Folder;
use crate::identity::object_id;
use crate::intake::OtherFiles;
use galmorph_output::path_text;

/// Says what the JSON means: a later version only adds fields, or counts on.
const FORMAT: u32 = 1;

/// The fields of the JSON, described in docs/images.md. Lengths are in pixels of the images.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    format: u32,
    pub(super) folder: String,
    /// How many image files the folder has, and how many of them were looked at.
    pub(super) files: usize,
    pub(super) sampled: usize,
    /// How many have each width and height.
    #[serde(serialize_with = "sizes")]
    pub(super) sizes: BTreeMap<(u32, u32), usize>,
    /// Those that can't be classified, by the reason.
    pub(super) rejected: BTreeMap<&'static str, Example>,
    /// How the others are framed.
    pub(super) framing: BTreeMap<&'static str, usize>,
    /// How many have a position, by what says it: the name, or the content.
    pub(super) positions: BTreeMap<&'static str, usize>,
    pub(super) measured: Measurements,
    pub(super) flags: BTreeMap<&'static str, Example>,
    pub(super) colours: Colours,
    /// What in the folder can't be read, a line each.
    pub(super) faults: Vec<String>,
    pub(super) other_files: BTreeMap<String, u64>,
    #[serde(skip)]
    pub(super) left_alone: String,
}

/// How many images, and one of them.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Example {
    pub(super) images: usize,
    pub(super) example: String,
}

/// The sizes of the objects, whatever the framing.
#[derive(Debug, Default, Serialize)]
pub(super) struct Measurements {
    /// How many could be measured.
    pub(super) images: usize,
    /// The side of the frame as the size of the object says, in parts of the image's shorter side: three
    /// quantiles.
    pub(super) part_of_image: Option<Quantiles>,
    /// The same in pixels.
    pub(super) frame_side: Option<Quantiles>,
    #[serde(skip)]
    parts: Vec<f64>,
    #[serde(skip)]
    sides: Vec<f64>,
}

/// How images are coloured.
#[derive(Debug, Default, Serialize)]
pub(super) struct Colours {
    /// How many have one plane, or three equal ones.
    pub(super) grey: usize,
    /// By how much objects are redder than they are blue: (red - blue) / (red + blue) above the sky.
    pub(super) redness: Option<Quantiles>,
    #[serde(skip)]
    values: Vec<f64>,
}

/// Of some numbers, those that a twentieth, half, and all but a twentieth are below.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Quantiles {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
}

impl Quantiles {
    /// `None` of no numbers.
    pub(super) fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |part: f64| {
            let value = sorted[(part * last as f64).round() as usize];
            (value * 1000.0).round() / 1000.0
        };
        Some(Self {
            low: at(0.05),
            median: at(0.5),
            high: at(0.95),
        })
    }
}

impl Findings {
    pub(super) fn new(
        folder: &Path,
        files: usize,
        faults: Vec<String>,
        others: &OtherFiles,
    ) -> Self {
        Self {
            format: FORMAT,
            folder: path_text(folder),
            files,
            sampled: 0,
            sizes: BTreeMap::new(),
            rejected: BTreeMap::new(),
            framing: BTreeMap::new(),
            positions: BTreeMap::new(),
            measured: Measurements::default(),
            flags: BTreeMap::new(),
            colours: Colours::default(),
            faults,
            other_files: others.by_extension().clone(),
            left_alone: others.to_string(),
        }
    }

    /// Looks at one more file.
    pub(super) fn add(
        &mut self,
        file: &Path,
        limits: &Limits,
        own: &Folder,
        preprocessing: &Preprocessing,
    ) {
        self.sampled += 1;
        let files = ImageFiles::of(file, own.band_files.as_ref());
        let content = match files.read(limits) {
            Ok(content) => content,
            Err(error) => {
                let file = path_text(file);
                return self.faults.push(format!("cannot read '{file}': {error}"));
            }
        };
        let image = match content.decode(limits, u32::MAX, &own.rendering) {
            Ok(image) if image.is_blank() => return self.reject(RejectReason::Blank, file),
            Ok(image) => image,
            Err((reason, _)) => return self.reject(reason, file),
        };
        *self.sizes.entry(image.dimensions()).or_default() += 1;
        let header = content.header(limits, &own.rendering).ok();
        let named = match &own.name {
            Some(pattern) => pattern.read(&object_id(file)),
            None => Some(files.identity()),
        };
        let named = named.and_then(|identity| identity.position);
        self.add_position(named, header.and_then(|header| header.position));
        let scale = header.and_then(|header| header.pixel_scale);
        let framing = own.framing().of_image(None, scale);
        let shown = (framing.plan(image.dimensions())).show(&image, preprocessing);
        let name = shown.frame.framing.as_str();
        *self.framing.entry(name).or_default() += 1;
        self.add_flags(shown.flags, file);
        self.add_object(&image);
        self.measured.summarise();
        self.colours.redness = Quantiles::of(&self.colours.values);
    }

    fn reject(&mut self, reason: RejectReason, file: &Path) {
        count(&mut self.rejected, reason.as_str(), file);
    }

    fn add_position(
        &mut self,
        named: Option<(Position, PositionSource)>,
        content: Option<(Position, PositionSource)>,
    ) {
        for (_, source) in named.into_iter().chain(content) {
            *self.positions.entry(source.as_str()).or_default() += 1;
        }
    }

    fn add_flags(&mut self, flags: Flags, file: &Path) {
        for flag in flags.iter() {
            count(&mut self.flags, flag.as_str(), file);
        }
    }

    fn add_object(&mut self, image: &Image) {
        self.colours.grey += usize::from(image.is_grey());
        let Some(object) = Look::at(image).object else {
            return;
        };
        let side = object.frame().side;
        self.measured.images += 1;
        self.measured.sides.push(side);
        let shorter = image.width().min(image.height());
        self.measured.parts.push(side / f64::from(shorter));
        self.colours.values.extend(object.redness);
    }

    pub(super) fn advice(&self) -> Vec<Advice> {
        advise(self)
    }

    /// Whether there is nothing that keeps an image from its answer.
    pub(super) fn is_fine(&self) -> bool {
        self.rejected.is_empty() && self.faults.is_empty() && self.sampled > 0
    }

    pub(super) fn json(&self) -> String {
        let mut value = serde_json::to_value(self).expect("the findings are plain values");
        let advice = self.advice();
        value["suggestions"] = serde_json::to_value(advice).expect("so is the advice");
        value.to_string()
    }
}

impl Measurements {
    fn summarise(&mut self) {
        self.part_of_image = Quantiles::of(&self.parts);
        self.frame_side = Quantiles::of(&self.sides);
    }

    /// By how much the sizes of the objects differ in the images: the standard deviation of the logarithm to the
    /// base 10, of their parts of the image.
    pub(super) fn scatter(&self) -> f64 {
        let logs: Vec<f64> = self.parts.iter().map(|part| part.log10()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>();
        (variance / logs.len() as f64).sqrt()
    }
}

fn count(counts: &mut BTreeMap<&'static str, Example>, name: &'static str, file: &Path) {
    let example = || Example {
        images: 0,
        example: path_text(file),
    };
    counts.entry(name).or_insert_with(example).images += 1;
}

/// Sizes as JSON: "424x424": 17.
fn sizes<S: serde::Serializer>(
    sizes: &BTreeMap<(u32, u32), usize>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let named = sizes.iter();
    serializer
        .collect_map(named.map(|((width, height), count)| (format!("{width}x{height}"), count)))
}
