//! Why this class: the occlusion map of a galaxy, by the model that answered.
//!
//! A map of another model, of another file, of other views or of other numbers would look just as right, and explain an
//! answer that nobody has seen. So a map is drawn only if all of these are those of the row:
//!
//! 1. the model's file, by its digest, and its settings (scales, early stop, arithmetic), by the card in the catalog;
//! 2. the image, by its digest, and the way in which it is shown to the network ([`Shown::seen`]);
//! 3. in the end, the answer itself: the whole image is answered first, and must have the probabilities of the row.
//!
//! Else a [`NoMap`] says what is missing.

mod desk;
mod maps;
mod no_map;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use galmorph_catalog::{FileRow, Reader};
use galmorph_cutout::{ModelCard, Morphology, Occlusion, OcclusionMap, Probabilities};
use galmorph_inference::{About, Classifier, Model, Options, Precision, catch};

use crate::Failure;
use crate::catalog::{AskError, Deadline};
use crate::picture::{NotSeen, Picture, PictureError, Shown, png};
use desk::Desk;
use maps::Maps;
pub(crate) use no_map::NoMap;

/// The images that the network is given at a time. It runs as many of them at once as it has room for.
const AT_ONCE: usize = 16;
/// How far a probability may be from the row's. On one machine they are equal; other instructions round otherwise.
const ROUNDING: f64 = 0.005;

/// What draws maps.
pub(crate) struct Why {
    path: Option<PathBuf>,
    about: About,
    /// The model under the settings of the last map.
    ready: Mutex<Option<Model>>,
    maps: Maps,
    pub(crate) desk: Desk,
}

/// A map, and what is drawn of it.
pub(crate) struct Map {
    pub(crate) occlusion: OcclusionMap,
    /// The widest view, as it is.
    pub(crate) view: Picture,
    /// The map over it.
    pub(crate) over: Picture,
}

/// All that a map needs, found in the catalog.
pub(crate) struct Job {
    shown: Shown,
    card: ModelCard,
    model: String,
    arithmetic: String,
    label: Option<Morphology>,
    probabilities: [f64; Morphology::COUNT],
    /// Another one for every other map.
    pub(crate) key: String,
}

impl Why {
    /// Maps by a model file, or by the embedded one, which is read when the first is asked for.
    pub(crate) fn new(path: Option<&Path>) -> Result<Self, Failure> {
        let usage = |error: galmorph_inference::ModelError| Failure::Usage(error.to_string());
        // A file that was named and can't be used is a fault of the start, not of the first visitor.
        let ready = path.map(|path| Model::load(Some(path), Options::default()));
        Ok(Self {
            ready: Mutex::new(ready.transpose().map_err(usage)?),
            about: Model::about(path).map_err(usage)?,
            path: path.map(Path::to_owned),
            maps: Maps::default(),
            desk: Desk::new(),
        })
    }

    /// Says why there can be no map of a row's answer, as far as the row alone shows it.
    pub(crate) fn objection(&self, row: &FileRow) -> Option<NoMap> {
        let digest = row.text("model_digest").unwrap_or_default();
        (digest != self.about.digest.to_hex().as_str()).then(|| NoMap::OtherModel {
            name: row.text("model").unwrap_or("an unknown model").to_owned(),
            digest: digest.to_owned(),
            here: self.about.clone(),
        })
    }

    /// Looks up what a map of a row's answer needs. No pixel is read.
    pub(crate) fn job(&self, catalog: &Reader, row: &FileRow) -> Result<Job, WhyError> {
        if let Some(objection) = self.objection(row) {
            return Err(objection.into());
        }
        let shown = Shown::of(catalog, row.id).map_err(|error| match error {
            PictureError::Ask(error) => WhyError::Ask(error),
            PictureError::NotShown(why) => NoMap::NotSeen(why.into()).into(),
        })?;
        // The daemon may have written the row anew since it was read.
        if let Some(objection) = self.objection(shown.row()) {
            return Err(objection.into());
        }
        let row = shown.row();
        let text = |column: &str| row.text(column).unwrap_or_default().to_owned();
        let (model, arithmetic) = (text("model"), text("arithmetic"));
        let card = catalog.card_of(&model, row.text("model_digest"));
        let card = card.map_err(AskError::Catalog)?;
        let card: ModelCard = card
            .and_then(|card| serde_json::from_str(&card).ok())
            .ok_or(NoMap::UnknownCard)?;
        // No answer is near what is no number.
        let probabilities = Morphology::ALL.map(|class| {
            let column = format!("p_{}", class.name());
            row.number(&column).unwrap_or(f64::NAN)
        });
        let said = format!(
            "{} {} {} {model} {arithmetic} {:?} {:?} {probabilities:?}",
            env!("CARGO_PKG_VERSION"),
            shown.digest(),
            self.about.digest,
            row.rendering,
            card.preprocessing,
        );
        Ok(Job {
            card,
            model,
            arithmetic,
            label: row.label(),
            probabilities,
            key: blake3::hash(said.as_bytes()).to_hex().to_string(),
            shown,
        })
    }

    /// A map that is there.
    pub(crate) fn known(&self, key: &str) -> Option<Arc<Map>> {
        self.maps.get(key)
    }

    /// Draws a map, until nobody waits for it any more.
    pub(crate) fn draw(&self, job: &Job, deadline: &Deadline) -> Result<Arc<Map>, NoMap> {
        // Who was before may have asked for the same one.
        if let Some(map) = self.known(&job.key) {
            return Ok(map);
        }
        if deadline.is_over() {
            return Err(NoMap::GivenUp);
        }
        let failed = |message: String| {
            log::warn!("no occlusion map: {message}");
            NoMap::Failed
        };
        let seen = catch(|| job.shown.seen(&job.card.preprocessing)).map_err(failed)??;
        let mut classifier = self.classifier(job)?;
        let mut answers = 0;
        let occlusion =
            Occlusion::of(&job.card.preprocessing).map(&seen.views, AT_ONCE, |views| {
                let found = answer(&mut classifier, views, seen.views.len(), deadline)?;
                if answers == 0 {
                    job.recognise(&found[0])?;
                }
                answers += found.len();
                Ok::<_, NoMap>(found)
            })?;
        let map = Arc::new(Map {
            view: png(&seen.widest),
            over: png(&occlusion.over(&seen.widest)),
            occlusion,
        });
        self.maps.put(&job.key, &map);
        Ok(map)
    }

    /// What runs the network as it was run for the row.
    fn classifier(&self, job: &Job) -> Result<Classifier, NoMap> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ready = ready.as_ref().is_some_and(|model| job.is_by(model));
        if !is_ready {
            // One at a time: a large one needs much memory.
            *ready = None;
            let options = Options {
                scales: &job.card.preprocessing.test_scales,
                early_stop: Some(job.card.early_stop),
                precision: if job.arithmetic == "f32" {
                    Precision::F32
                } else {
                    Precision::Auto
                },
                coverage: None,
            };
            let model = Model::load(self.path.as_deref(), options).map_err(|error| {
                log::warn!("no occlusion map: {error}");
                NoMap::Failed
            })?;
            *ready = Some(model);
        }
        let model = ready.as_ref().ok_or(NoMap::Failed)?;
        if model.digest != self.about.digest {
            return Err(NoMap::ChangedModel);
        }
        if model.arithmetic().as_str() != job.arithmetic {
            return Err(NoMap::OtherArithmetic {
                then: job.arithmetic.clone(),
                now: model.arithmetic().as_str(),
            });
        }
        if !job.is_by(model) {
            return Err(NoMap::UnknownCard);
        }
        Ok(model.classifier())
    }
}

impl Job {
    /// Whether a model, run like this, gave the row's answer.
    fn is_by(&self, model: &Model) -> bool {
        let (ours, its) = (&self.card, &model.card);
        self.model == model.name()
            && self.arithmetic == model.arithmetic().as_str()
            && ours.preprocessing == its.preprocessing
            && ours.early_stop == its.early_stop
            && ours.scaling() == its.scaling()
    }

    /// Checks that the answer to the whole image is that of the row.
    fn recognise(&self, answer: &Probabilities) -> Result<(), NoMap> {
        let written = answer.as_written();
        let mut pairs = written.iter().zip(&self.probabilities);
        let is_near = pairs.all(|(here, row)| (here - row).abs() <= ROUNDING);
        if is_near && self.label == Some(answer.label()) {
            Ok(())
        } else {
            log::warn!(
                "no occlusion map: the model answers {written:?}, and the row says {:?}",
                self.probabilities
            );
            Err(NoMap::OtherAnswer)
        }
    }
}

/// The network's answers to the views of several images, of `length` numbers each.
fn answer(
    classifier: &mut Classifier,
    views: &[f32],
    length: usize,
    deadline: &Deadline,
) -> Result<Vec<Probabilities>, NoMap> {
    let mut group = classifier.group(views.chunks_exact(length));
    while group.is_open() {
        if deadline.is_over() {
            return Err(NoMap::GivenUp);
        }
        group.run();
    }
    let answers = group.outcomes().map(|outcome| {
        outcome
            .map(|answer| answer.probabilities)
            .map_err(|refusal| {
                log::warn!("no occlusion map: {refusal}");
                NoMap::Failed
            })
    });
    answers.collect()
}

/// Why nothing can be said of a map.
#[derive(Debug)]
pub(crate) enum WhyError {
    /// The catalog has no answer.
    Ask(AskError),
    /// There is none.
    No(NoMap),
}

impl From<AskError> for WhyError {
    fn from(error: AskError) -> Self {
        Self::Ask(error)
    }
}

impl From<NoMap> for WhyError {
    fn from(why: NoMap) -> Self {
        Self::No(why)
    }
}

impl From<NotSeen> for NoMap {
    fn from(why: NotSeen) -> Self {
        Self::NotSeen(why)
    }
}
