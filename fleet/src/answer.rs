//! One file: read once, and answered as `galmorph watch` answers it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use galmorph_catalog::{Entry, Stamp, Verdict, object_id, rendering_key};
use galmorph_cutout::{Format, FramingSettings, Limits, RejectReason, Rendering};
use galmorph_inference::{Classifier, Model, catch, decode, header, with_signal};
use jiff::Timestamp;

use crate::plan::Item;

/// What became of a file.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It has a row.
    Row(Box<Entry>),
    /// It could not be read.
    Unread(String),
}

/// One thread's way to answer.
pub(crate) struct Answerer<'a> {
    pub(crate) model: &'a Model,
    pub(crate) classifier: Classifier,
    pub(crate) framing: FramingSettings,
    pub(crate) limits: Limits,
    /// The time that the row says it was found.
    pub(crate) time: Timestamp,
}

impl Answerer<'_> {
    /// Reads and answers a file. `place` is where it is on this machine.
    pub(crate) fn answer(&mut self, item: &Item, place: &Path) -> Fate {
        let file = item.file();
        let (stamp, bytes) = match read(place, &self.limits) {
            Ok(read) => read,
            Err(error) => return Fate::Unread(error.to_string()),
        };
        let identity = item.identity(object_id(&file));
        let mut entry = Entry::blank(file, stamp, identity, self.time);
        let judged = match bytes {
            Ok(bytes) => self.judge(&bytes, &mut entry),
            Err(too_large) => Err(too_large),
        };
        entry.verdict =
            judged.unwrap_or_else(|(reason, message)| Verdict::rejected(reason, &message));
        Fate::Row(Box::new(entry))
    }

    fn judge(
        &mut self,
        bytes: &[u8],
        entry: &mut Entry,
    ) -> Result<Verdict, (RejectReason, String)> {
        entry.digest = Some(blake3::hash(bytes));
        // How FITS images are shown is chosen by the file.
        let fits = &Rendering::default();
        let header = header(bytes, &self.limits, fits)?;
        let dimensions = header.dimensions;
        entry.identity.complete(header.position);
        let framing = self
            .framing
            .of_image(entry.identity.radius, header.pixel_scale);
        let plan = framing.plan(dimensions);
        let is_fits = Format::of(bytes) == Some(Format::Fits);
        entry.rendering = Some(rendering_key(plan, is_fits.then_some(fits)));
        let preprocessing = &self.model.card.preprocessing;
        let side = plan.decoded_side(preprocessing, dimensions);
        let image = decode(bytes, &self.limits, side, fits).and_then(with_signal)?;
        entry.dimensions = Some(dimensions);
        let views = || {
            let shown = plan.show(&image, preprocessing);
            let views = preprocessing.framed_views(&image, &shown.frame);
            (shown, views)
        };
        let (shown, views) =
            catch(views).map_err(|message| (RejectReason::Preprocessing, message))?;
        entry.shown = Some(shown);
        entry.stretch =
            (image.origin().and_then(|origin| origin.stretch)).map(|stretch| stretch.to_string());
        let answer = (self.classifier.classify(&views))
            .map_err(|refusal| (refusal.reason(), refusal.to_string()))?;
        entry.novelty = answer.novelty;
        entry.prediction_set = answer.set;
        entry.camera = answer.camera;
        Ok(Verdict::Classified(answer.probabilities))
    }
}

/// A file's size and time, and its content or the fault that it is too large.
type Content = (Stamp, Result<Vec<u8>, (RejectReason, String)>);

fn read(path: &Path, limits: &Limits) -> io::Result<Content> {
    // Before it is opened: a named pipe would be waited for.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut file = File::open(path)?;
    let before = file.metadata()?;
    let stamp = Stamp::of(&before);
    if let Err(error) = limits.check_bytes(before.len()) {
        return Ok((stamp, Err((error.reason(), error.to_string()))));
    }
    let mut bytes = Vec::with_capacity(before.len() as usize);
    // One byte more than there should be: a file that grows is noticed, and never read to its end.
    (file.by_ref().take(before.len() + 1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != before.len() || Stamp::of(&file.metadata()?) != stamp {
        return Err(io::Error::other("it changed while it was read"));
    }
    Ok((stamp, Ok(bytes)))
}
