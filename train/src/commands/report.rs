//! `galmorph-train report`

use std::path::PathBuf;

use clap::Args;
use galmorph_cutout::{Image, Morphology};
use galmorph_output::{Output, readable};
use tch::Device;

use super::{ForceArgs, ShowingArgs};
use crate::data::{ImageIndex, Label, Labels, Targets};
use crate::error::Result;
use crate::figures::{self, Evaluated, choose_samples};
use crate::model_file::TrainedModel;
use crate::report::{Captioned, ModelPages, Report};

/// The arguments of `report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Folders written by `evaluate --output`
    #[arg(value_name = "EVALUATION", required = true)]
    evaluations: Vec<PathBuf>,
    /// HTML page to write; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
    /// Label file, to show the number of galaxies of each class
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Folders or uncompressed tar files of images, to show galaxies. The page then contains these
    /// images, and their owners' terms apply to it
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "labels")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    showing: ShowingArgs,
    /// Checkpoints or exported models, to show their filters and, with --images, their feature maps
    #[arg(long, value_name = "FILE", num_args = 1..)]
    model: Vec<PathBuf>,
    /// Galaxies for preprocessing and feature maps [default: one round, one edge-on, one spiral]
    #[arg(long, value_name = "ID", num_args = 1.., requires = "images")]
    galaxy: Vec<String>,
    /// Seed of the random choice of galaxies
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The number of galaxies of each class in the sample grid.
const COLUMNS: usize = 8;

/// The largest number of mistakes on a network's page.
const MISTAKES: usize = 24;

/// The test scale of the paper's Figure 6, in pixels.
const SCALE: u32 = 220;

/// The labels, and the images if there are any.
struct Galaxies {
    labels: Labels,
    images: Option<ImageIndex>,
    chosen: Vec<(String, Image)>,
}

pub(super) fn run(args: &ReportArgs) -> Result<()> {
    let networks = args
        .evaluations
        .iter()
        .map(|path| Evaluated::open(path))
        .collect::<Result<Vec<_>>>()?;
    let inputs: Vec<PathBuf> = (args.labels.iter().chain(&args.model).chain(&args.images))
        .cloned()
        .chain(
            args.evaluations
                .iter()
                .flat_map(|path| Evaluated::files(path)),
        )
        .collect();
    let output = Output::at(&args.output, args.force.force, &inputs)?;
    let galaxies = args.galaxies()?;
    let mut report = Report {
        models: args.models(galaxies.as_ref())?,
        ..Report::default()
    };
    if let Some(galaxies) = &galaxies {
        report.galaxies = args.galaxy_pages(galaxies)?;
        if let Some(images) = &galaxies.images {
            report.wrong = networks
                .iter()
                .map(|network| mistakes(network, images))
                .collect::<Result<_>>()?;
        }
    }
    report.networks = networks;
    output.write(".galmorph-report-", report.html()?.as_bytes())?;
    log::info!("wrote '{}'", readable(&args.output));
    Ok(())
}

impl ReportArgs {
    fn galaxies(&self) -> Result<Option<Galaxies>> {
        let Some(path) = &self.labels else {
            return Ok(None);
        };
        let labels = Labels::read(path, Targets::Labels)?;
        if self.images.is_empty() {
            return Ok(Some(Galaxies {
                labels,
                images: None,
                chosen: Vec::new(),
            }));
        }
        let images = ImageIndex::open(&self.showing.of(&self.images)?)?;
        let ids = if self.galaxy.is_empty() {
            drawn(labels.all(), self.seed)
        } else {
            self.galaxy.clone()
        };
        let chosen = ids
            .into_iter()
            .map(|id| images.decode(&id).map(|image| (id, image)))
            .collect::<Result<_>>()?;
        Ok(Some(Galaxies {
            labels,
            images: Some(images),
            chosen,
        }))
    }

    /// Filters, and feature maps of the chosen galaxies.
    fn models(&self, galaxies: Option<&Galaxies>) -> Result<Vec<ModelPages>> {
        let chosen = galaxies
            .map(|galaxies| galaxies.chosen.as_slice())
            .unwrap_or_default();
        let pages = |path: &PathBuf| {
            let trained = TrainedModel::load(path, Device::Cpu)?;
            let mut figures = vec![Captioned::new(
                figures::filters_of(&trained, &[])?,
                "Filters of some convolutions from the first to the last (Figure 10).",
            )];
            for (id, image) in chosen {
                let maps = figures::feature_maps_of(&trained, &[], (id, image), SCALE)?;
                let caption = format!("Activations on galaxy {id} (Figures 11 to 13).");
                figures.push(Captioned::new(maps, caption));
            }
            Ok(ModelPages {
                name: trained.name.clone(),
                network: trained.architecture.to_string(),
                figures,
            })
        };
        self.model.iter().map(pages).collect()
    }

    fn galaxy_pages(&self, galaxies: &Galaxies) -> Result<Vec<Captioned>> {
        let labels = galaxies.labels.all();
        let mut pages = vec![Captioned::new(
            figures::count_classes(labels)?,
            "Galaxies of each class in the label file (Figure 2).",
        )];
        let Some(images) = &galaxies.images else {
            return Ok(pages);
        };
        let samples = figures::draw_samples(labels, images, COLUMNS, self.seed)?;
        pages.push(Captioned::new(
            samples,
            "Galaxies of each class, chosen at random (Figure 1).",
        ));
        if let Some((id, image)) = galaxies.chosen.last() {
            pages.push(Captioned::new(
                figures::preprocessing(id, image, SCALE, self.seed),
                "From the image to the input of the network (Figure 6).",
            ));
        }
        Ok(pages)
    }
}

/// A round, an edge-on and a spiral galaxy, as in Figures 11 to 13; fewer if a class has none.
fn drawn(labels: &[Label], seed: u64) -> Vec<String> {
    let shown = [Morphology::Round, Morphology::EdgeOn, Morphology::Spiral];
    choose_samples(labels, 1, seed)
        .into_iter()
        .filter(|(class, _)| shown.contains(class))
        .flat_map(|(_, chosen)| chosen)
        .map(|label| label.id.clone())
        .collect()
}

fn mistakes(network: &Evaluated, images: &ImageIndex) -> Result<Captioned> {
    let figure = network.draw_mistakes(images, MISTAKES)?;
    let model = &network.evaluation.subject.model;
    let caption =
        format!("The galaxies that {model} classifies wrongly with the greatest confidence.");
    Ok(Captioned::new(figure, caption))
}
