//! `galmorph-train visualise why`

use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{
    ByClass, Framing, FramingSettings, Image, Morphology, Occlusion, OcclusionMap,
};
use galmorph_output::{Output, readable};
use serde::Serialize;

use super::adapting::framing;
use super::{DataArgs, ForceArgs, MachineArgs};
use crate::data::{Framed, LabelledImages, Part, Targets, decode_file};
use crate::error::{Error, Result};
use crate::evaluation::{Classifier, FeaturesOrigin, Neighbour, TrainingFeatures};
use crate::figures::{self, Explained, Figure};
use crate::model_file::TrainedModel;
use crate::progress::Progress;
use crate::torch::Precision;

/// The training galaxies that are shown for an image.
const NEAREST: usize = 5;

/// The images of a figure.
const MOST_IMAGES: usize = 40;

/// The arguments of `visualise why`.
#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// Checkpoint of a run, or exported model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Ids of galaxies that have an image
    #[arg(long, value_name = "ID", num_args = 1.., required_unless_present = "files")]
    galaxy: Vec<String>,
    /// Image files besides these
    #[arg(long = "file", value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
    /// How the galaxy's frame is found in a --file, as in galmorph watch; see docs/images.md. In galaxies that have an
    /// id, it is found as for the training [possible values: auto, paper, frame, measured]
    #[arg(long, default_value_t = Framing::Auto, value_parser = framing)]
    framing: Framing,
    /// File that keeps the features of the training galaxies. If it is there, they are read from it, and
    /// otherwise computed and written
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
}

/// What `why.json` has.
#[derive(Debug, Serialize)]
struct Record<'a> {
    model: &'a str,
    digest: &'a str,
    /// The side of the widest view and of a patch, and the first columns (and rows) of the patches, in
    /// pixels of that view.
    view: u32,
    patch: u32,
    corners: &'a [u32],
    galaxies: Vec<GalaxyRecord<'a>>,
}

#[derive(Debug, Serialize)]
struct GalaxyRecord<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'static str>,
    answer: &'static str,
    probabilities: ByClass<f32>,
    /// How far the answer's probability falls: a list for each row of patches.
    falls: Vec<&'a [f32]>,
    nearest: Vec<NeighbourRecord<'a>>,
}

#[derive(Debug, Serialize)]
struct NeighbourRecord<'a> {
    id: &'a str,
    label: &'static str,
    cosine: f64,
}

/// An image that is to be explained.
struct Asked {
    id: String,
    label: Option<Morphology>,
    image: Image,
    framing: FramingSettings,
}

impl WhyArgs {
    /// What is read. The figure may replace none of it.
    pub(super) fn inputs(&self) -> Vec<PathBuf> {
        let read = self.data.inputs().map(Path::to_owned);
        let own = self.files.iter().chain(&self.features).chain([&self.model]);
        read.chain(own.cloned()).collect()
    }

    /// Computes and writes the figure, and its numbers beside it.
    pub(super) fn draw(&self, output: &Path, force: &ForceArgs) -> Result<()> {
        if self.galaxy.len() + self.files.len() > MOST_IMAGES {
            return Err(Error::Input(format!(
                "more than {MOST_IMAGES} images are too many for a figure"
            )));
        }
        let inputs = self.inputs();
        let files = Figure::files(output, "why")?;
        let numbers = files[0].with_extension("json");
        // Before the work. A folder that is not there yet is made in the end.
        if files.len() == 1 || output.exists() {
            for file in files.iter().chain([&numbers]) {
                Output::at(file, force.force, &inputs)?;
            }
        }
        let device = self.machine.device()?;
        let model = TrainedModel::load(&self.model, device)?;
        let part = Part::learned(model.held_out);
        let images = self.data.source(Targets::Labels)?.open(&[part])?;
        let asked = self.asked(&images, &model)?;

        let classifier = Classifier {
            network: &model.network,
            weights: &model.weights,
            precision: Precision::F32,
            device,
        };
        let learned = self.training_features(&images, part, &model, classifier)?;
        let explained = explain(&asked, &images, &model, classifier, &learned)?;
        let title = format!("Why this class: {}", model.name);
        let figure = figures::why(&title, &model.preprocessing, &explained);
        let json = serde_json::to_vec_pretty(&record(&model, &explained))
            .map_err(Error::internal("write the numbers of a figure"))?;
        for file in figure.save(output, "why", force.force, &inputs)? {
            log::info!("wrote '{}'", readable(file));
        }
        Output::at(&numbers, force.force, &inputs)?.write(".galmorph-figure-", &json)?;
        log::info!("wrote '{}'", readable(&numbers));
        Ok(())
    }

    /// Decodes the images.
    fn asked(&self, images: &LabelledImages, model: &TrainedModel) -> Result<Vec<Asked>> {
        let with_id = self.galaxy.iter().map(|id| {
            Ok(Asked {
                id: id.clone(),
                label: images.label(id).map(|label| label.class),
                image: images.decode(id)?,
                framing: settings(model.framing),
            })
        });
        let rendering = self.data.images()?.rendering;
        let of_files = self.files.iter().map(|file| {
            let (id, image) = decode_file(file, &rendering)?;
            Ok(Asked {
                id,
                label: None,
                image,
                framing: settings(self.framing),
            })
        });
        with_id.chain(of_files).collect()
    }

    /// The features of the galaxies that the network learned from: those of the file, or computed.
    fn training_features(
        &self,
        images: &LabelledImages,
        part: Part,
        model: &TrainedModel,
        classifier: Classifier<'_>,
    ) -> Result<TrainingFeatures> {
        let threads = self.machine.threads();
        if let Some(file) = self.features.as_ref().filter(|file| file.exists()) {
            let bytes = std::fs::read(file).map_err(Error::io("read", file))?;
            let origin = FeaturesOrigin {
                model: model.digest.clone(),
                data: images.digest(part, threads)?,
            };
            warn_if_others(model, &origin.data);
            let (ids, classes) = images.galaxies(part)?;
            return TrainingFeatures::parse(&bytes, &origin, ids, classes)
                .map_err(Error::unusable("features", file));
        }
        let read: Vec<&Path> = self.data.inputs().chain([&*self.model]).collect();
        let output = (self.features.as_ref())
            .map(|file| Output::at(file, false, &read))
            .transpose()?;
        let framed = Framed {
            preprocessing: &model.preprocessing,
            framing: settings(model.framing),
        };
        let (shape, each) = (
            model.preprocessing.view_shape(),
            model.preprocessing.view_count(),
        );
        let mut rows = Vec::new();
        let found = images.framed_views(part, framed, threads, |views| {
            rows.extend(classifier.features_of_images(&views, shape, each));
        })?;
        warn_if_others(model, &found.digest);
        let features = TrainingFeatures::new(found.ids, found.classes, rows);
        if let Some(output) = output {
            let origin = FeaturesOrigin {
                model: model.digest.clone(),
                data: found.digest,
            };
            let bytes = (features.to_bytes(&origin))
                .map_err(Error::internal("write the features of galaxies"))?;
            output.write(".galmorph-features-", &bytes)?;
        }
        Ok(features)
    }
}

/// The nearest galaxies are then of images that the network may not have seen.
fn warn_if_others(model: &TrainedModel, data: &str) {
    if model.learned_from.as_ref().is_some_and(|own| own != data) {
        log::warn!(
            "'{}' was trained on other galaxies or images than these",
            model.name
        );
    }
}

fn settings(framing: Framing) -> FramingSettings {
    FramingSettings {
        framing,
        ..FramingSettings::default()
    }
}

fn explain(
    asked: &[Asked],
    images: &LabelledImages,
    model: &TrainedModel,
    classifier: Classifier<'_>,
    learned: &TrainingFeatures,
) -> Result<Vec<Explained>> {
    let preprocessing = &model.preprocessing;
    let each = preprocessing.view_count();
    let of_training = Framed {
        preprocessing,
        framing: settings(model.framing),
    };
    let places = Occlusion::of(preprocessing).places();
    let progress = Progress::new(
        &format!("covering {places} places of"),
        asked.len() as u64,
        "images",
    );
    let explain = |asked: &Asked| {
        let framed = Framed {
            preprocessing,
            framing: asked.framing,
        };
        let views = framed.views(&asked.image);
        let map = classifier
            .occlusion(&views, preprocessing, model.scaling)
            .ok_or_else(|| {
                Error::Input(format!("'{}' has no answer to {}", model.name, asked.id))
            })?;
        let features = classifier.features_of_images(&views, preprocessing.view_shape(), each);
        let nearest = learned.nearest(&features, &asked.id, NEAREST);
        let with_view = |neighbour: Neighbour| {
            let image = images.decode(&neighbour.id)?;
            Ok((neighbour, of_training.widest(&image)))
        };
        progress.advance(1);
        Ok(Explained {
            id: asked.id.clone(),
            label: asked.label,
            view: framed.widest(&asked.image),
            map,
            nearest: nearest.into_iter().map(with_view).collect::<Result<_>>()?,
        })
    };
    let explained = asked.iter().map(explain).collect();
    progress.finish();
    explained
}

fn record<'a>(model: &'a TrainedModel, explained: &'a [Explained]) -> Record<'a> {
    let OcclusionMap {
        side,
        patch,
        corners,
        ..
    } = &explained[0].map;
    let galaxy = |image: &'a Explained| GalaxyRecord {
        id: &image.id,
        label: image.label.map(Morphology::name),
        answer: image.map.answer.label().name(),
        probabilities: ByClass(*image.map.answer.values()),
        falls: image.map.falls.chunks(corners.len()).collect(),
        nearest: (image.nearest.iter())
            .map(|(neighbour, _)| NeighbourRecord {
                id: &neighbour.id,
                label: neighbour.class.name(),
                cosine: neighbour.similarity,
            })
            .collect(),
    };
    Record {
        model: &model.name,
        digest: &model.digest,
        view: *side,
        patch: *patch,
        corners,
        galaxies: explained.iter().map(galaxy).collect(),
    }
}
