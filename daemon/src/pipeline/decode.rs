//! Reads a file, once, and makes network inputs of it.
//!
//! Faults of the file and faults of its content part here. A file that can't be read *now* goes back to the
//! intake, which tries again. Content that was read and is no image is rejected for good. A file whose size
//! or time changed while it was read goes back too, since what was read may be half old and half new.
//!
//! Content that the model has answered for needs no network and no pixels. Its header alone is read, for
//! the size of the image and for the limits, which may have changed since.

use std::fs::Metadata;
use std::io::{self, Read as _};
use std::path::Path;

use crossbeam::channel::{Receiver, SendError, Sender};
use galmorph_cutout::{Identity, Limits, Preprocessing, RejectReason};

use super::content::Content;
use super::pending::{Pending, Wanted};
use super::{Judged, Prepared};
use crate::file::{DepartedFile, Departure, Seen, TakenFile, io_fault};
use crate::identity::Identities;
use crate::intake::Selection;
use crate::observe::watchdog::{Activity, ThreadMark};
use crate::observe::{Observer, Stage, timed};
use crate::shutdown::Shutdown;
use galmorph_catalog::{CatalogError, Entry, Reader, Stamp, Verdict, rendering_key};
use galmorph_inference::{catch, with_signal};

/// One thread of the pool.
pub(super) struct Decoder<'a> {
    pub(super) selection: &'a Selection,
    pub(super) limits: Limits,
    pub(super) preprocessing: Preprocessing,
    pub(super) catalog: Reader,
    pub(super) identities: &'a Identities,
    pub(super) model: i64,
    pub(super) pending: &'a Pending,
    pub(super) stop: Shutdown,
    pub(super) observer: &'a dyn Observer,
    pub(super) mark: ThreadMark,
    pub(super) input: Receiver<TakenFile>,
    pub(super) images: Sender<Prepared>,
    pub(super) verdicts: Sender<Vec<Judged>>,
    pub(super) departed: Sender<DepartedFile>,
}

/// Why a file did not become network inputs.
enum Fault {
    /// It goes back to the intake.
    Back(Departure),
    /// Its content is at fault.
    Rejected {
        reason: RejectReason,
        message: String,
    },
}

/// A later stage has ended, so this one ends too. That happens only after a fault that ends the daemon.
struct Ended;

impl<T> From<SendError<T>> for Ended {
    fn from(_: SendError<T>) -> Self {
        Self
    }
}

impl Decoder<'_> {
    pub(super) fn run(self) {
        for taken in &self.input {
            // A file that was not read yet is found again at the next start.
            if !self.stop.requested() && self.prepare(taken).is_err() {
                return;
            }
        }
    }

    /// Reads a file, and passes it on to the classifiers, to the recorder or back to the intake.
    fn prepare(&self, taken: TakenFile) -> Result<(), Ended> {
        let mut entry = blank_entry(&taken, self.identity(&taken.path));
        let set = self.selection.set_of(&taken.path);
        entry.parts = set.map_or_else(Vec::new, |set| set.others());
        let content = match self.files(Stage::Read, || read(&taken, self.selection, &self.limits)) {
            Ok(content) => content,
            Err(Fault::Back(how)) => return self.give_back(taken, how),
            Err(Fault::Rejected { reason, message }) => {
                entry.verdict = Verdict::rejected(reason, &message);
                return self.judge(Judged { taken, entry });
            }
        };
        let digest = self.work(Stage::Decode, || content.digest());
        entry.digest = Some(digest);
        let fits = self.selection.rendering_of(&taken.path);
        let read = || content.header(&self.limits, fits);
        let header = match self.work(Stage::Decode, read) {
            Ok(header) => header,
            Err((reason, message)) => {
                entry.verdict = Verdict::rejected(reason, &message);
                return self.judge(Judged { taken, entry });
            }
        };
        let dimensions = header.dimensions;
        entry.identity.complete(header.position);
        let framing = self.selection.framing_of(&taken.path);
        let framing = framing.of_image(entry.identity.radius, header.pixel_scale);
        let plan = framing.plan(dimensions);
        let rendering = rendering_key(plan, content.is_fits().then_some(fits));
        entry.rendering = Some(rendering.clone());
        let waiting = |(taken, entry)| Judged { taken, entry };
        let wanted = (digest, rendering);
        let Some((taken, mut entry)) =
            self.pending
                .lead_or_wait(wanted.clone(), (taken, entry), waiting)
        else {
            return Ok(());
        };

        if self.is_known(&wanted) {
            entry.dimensions = Some(dimensions);
            return self.judge(Judged { taken, entry });
        }
        let side = plan.decoded_side(&self.preprocessing, dimensions);
        let decoded = || {
            let image = content.decode(&self.limits, side, fits);
            image.and_then(with_signal)
        };
        let image = match self.work(Stage::Decode, decoded) {
            Ok(image) => image,
            Err((reason, message)) => {
                entry.verdict = Verdict::rejected(reason, &message);
                return self.judge(Judged { taken, entry });
            }
        };
        entry.dimensions = Some(dimensions);
        let views = || {
            catch(|| {
                let shown = plan.show(&image, &self.preprocessing);
                let views = self.preprocessing.framed_views(&image, &shown.frame);
                (shown, views)
            })
        };
        match self.work(Stage::Preprocess, views) {
            Ok((shown, views)) => {
                entry.shown = Some(shown);
                entry.stretch = (image.origin().and_then(|origin| origin.stretch))
                    .map(|stretch| stretch.to_string());
                self.images.send(Prepared {
                    taken,
                    entry,
                    views,
                })?;
            }
            Err(message) => {
                entry.verdict = Verdict::rejected(RejectReason::Preprocessing, &message);
                self.judge(Judged { taken, entry })?;
            }
        }
        Ok(())
    }

    /// Whether the model has answered for this content, shown in this way. A catalog that can't be asked costs a computation,
    /// no more: an answer that is there already is left as it is.
    fn is_known(&self, (digest, rendering): &Wanted) -> bool {
        let ask = || self.catalog.has_answer(digest, self.model, rendering);
        self.mark
            .during(Activity::Catalog, ask)
            .unwrap_or_else(|error: CatalogError| {
                log::warn!("{error}");
                false
            })
    }

    /// What is known of the object that a file shows, before it is read.
    fn identity(&self, path: &Path) -> Identity {
        self.identities.note_name(path);
        let has_row = |path: &Path| self.catalog.has_row(path).unwrap_or(false);
        self.identities.of(path, has_row)
    }

    fn work<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let work = || timed(self.observer, stage, work);
        self.mark.during(Activity::Work, work)
    }

    fn files<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let work = || timed(self.observer, stage, work);
        self.mark.during(Activity::Files, work)
    }

    fn judge(&self, judged: Judged) -> Result<(), Ended> {
        Ok(self.verdicts.send(vec![judged])?)
    }

    fn give_back(&self, taken: TakenFile, how: Departure) -> Result<(), Ended> {
        Ok(self.departed.send((taken.path, how))?)
    }
}

/// The entry of a file before it is read. Its verdict is right if the catalog has the answer.
pub(super) fn blank_entry(taken: &TakenFile, identity: Identity) -> Entry {
    let (path, stamp) = (taken.path.clone(), taken.seen.stamp);
    Entry {
        attempts: taken.origin.failures + 1,
        ..Entry::blank(path, stamp, identity, taken.origin.first_seen)
    }
}

/// Reads a file, or the files of a set that are there.
fn read(taken: &TakenFile, selection: &Selection, limits: &Limits) -> Result<Content, Fault> {
    let io = |error: io::Error| Fault::Back(io_fault(&taken.path, &error));
    let changed = || Fault::Back(Departure::Changed);
    let Some(set) = selection.set_of(&taken.path) else {
        return read_file(&taken.path, taken.seen.stamp, selection, limits).map(Content::File);
    };
    let is_as_taken = |now: Option<Seen>| now.is_some_and(|now| now.is_same_content(&taken.seen));
    if !is_as_taken(selection.look(&taken.path).map_err(io)?) {
        return Err(changed());
    }
    within(limits, taken.seen.stamp.bytes)?;
    // Of a set of which a file is gone, others are there.
    let of_part = |fault| match fault {
        Fault::Back(Departure::Gone) => changed(),
        other => other,
    };
    let mut files = Vec::new();
    for (band, path) in set.files {
        match selection.look_at_file(&path) {
            Ok(Some(metadata)) => {
                let bytes = read_file(&path, Stamp::of(&metadata), selection, limits);
                files.push((band, bytes.map_err(of_part)?));
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Fault::Back(io_fault(&path, &error))),
        }
    }
    // One may have come or gone meanwhile.
    if files.is_empty() || !is_as_taken(selection.look(&taken.path).map_err(io)?) {
        return Err(changed());
    }
    Ok(Content::Bands(files))
}

fn within(limits: &Limits, bytes: u64) -> Result<(), Fault> {
    limits.check_bytes(bytes).map_err(|error| Fault::Rejected {
        reason: error.reason(),
        message: error.to_string(),
    })
}

/// Reads one file that is to have this size and time.
fn read_file(
    path: &Path,
    stamp: Stamp,
    selection: &Selection,
    limits: &Limits,
) -> Result<Vec<u8>, Fault> {
    let io = |error: io::Error| Fault::Back(io_fault(path, &error));
    let changed = || Fault::Back(Departure::Changed);
    let mut file = selection.open(path).map_err(io)?.ok_or_else(changed)?;
    let before = file.metadata().map_err(io)?;
    let is_the_same = |now: &Metadata| Seen::of(now).is_same_content(&Seen::of(&before));
    if !before.is_file() || Stamp::of(&before) != stamp {
        return Err(changed());
    }
    within(limits, before.len())?;
    let mut bytes = Vec::with_capacity(before.len() as usize);
    // One byte more than there should be: a file that grows is noticed, and never read to its end.
    file.by_ref()
        .take(before.len() + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    // By name as well: it may have been replaced, and this handle be the old one's.
    let after = selection.look_at_file(path).map_err(io)?;
    let unchanged = bytes.len() as u64 == before.len()
        && is_the_same(&file.metadata().map_err(io)?)
        && after.is_some_and(|after| is_the_same(&after));
    if unchanged { Ok(bytes) } else { Err(changed()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Origin;
    use std::fs::{self, File};

    fn taken(path: &Path) -> TakenFile {
        TakenFile {
            path: path.to_owned(),
            seen: Seen::of(&fs::metadata(path).unwrap()),
            origin: Origin::now(),
        }
    }

    fn selection(folder: &Path) -> Selection {
        Selection::new(vec![folder.to_owned().into()], vec!["jpg".into()])
    }

    #[test]
    fn a_file_that_changed_since_it_was_taken_goes_back() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a.jpg");
        fs::write(&path, "some").unwrap();
        let file = taken(&path);
        assert!(
            read(&file, &selection(folder.path()), &Limits::default())
                .is_ok_and(|read| matches!(read, Content::File(bytes) if bytes == b"some"))
        );
        fs::write(&path, "some more").unwrap();
        let fault = read(&file, &selection(folder.path()), &Limits::default()).err();
        assert!(matches!(fault, Some(Fault::Back(Departure::Changed))));
        fs::remove_file(&path).unwrap();
        let fault = read(&file, &selection(folder.path()), &Limits::default()).err();
        assert!(matches!(fault, Some(Fault::Back(Departure::Gone))));
    }

    #[test]
    fn a_file_over_the_limit_is_rejected_unread() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("sparse.jpg");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let fault = read(&taken(&path), &selection(folder.path()), &Limits::default()).err();
        assert!(matches!(
            fault,
            Some(Fault::Rejected {
                reason: RejectReason::TooLarge,
                ..
            })
        ));
    }
}
