//! Notifications from the kernel (inotify), reduced to the few kinds that the intake uses.
//!
//! Nothing depends on them. When one is lost (the kernel's queue or ours overflows) or can't be had (the
//! limit of watches is reached), a scan takes its place.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, bounded};
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::Intake;
use super::decide::Cause;
use super::moving::BeingWritten;
use crate::observe::watchdog::Activity;
use galmorph_output::readable;

/// How many hints are kept. Beyond that, a scan finds the files.
const QUEUE: usize = 4096;

/// Something that happened under a watched folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// A file was closed after writing, or something was renamed into place.
    Complete(PathBuf),
    /// Something appeared that may still be written to: a file, a folder, a hard link.
    Appeared(PathBuf),
    /// Files were marked in the catalog to be tried again.
    Marked,
}

/// Listens to the kernel until it is dropped.
pub(super) struct Listener {
    hints: Receiver<(Instant, Hint)>,
    losses: Receiver<()>,
    // The folders that are listened to, and which one each name led to.
    listened: Vec<(PathBuf, Option<Identity>)>,
    being_written: Arc<BeingWritten>,
    _watcher: RecommendedWatcher,
}

impl Listener {
    /// Listens to `folders` with all their sub-folders, and to `wake_file`, which `galmorph retry` writes to.
    /// A folder that can't be listened to is a warning: scans find its files.
    pub(super) fn new(folders: &[PathBuf], wake_file: &Path) -> notify::Result<Self> {
        let (sender, hints) = bounded(QUEUE);
        let (lost, losses) = bounded(1);
        let wake = wake_file.to_owned();
        let being_written = Arc::new(BeingWritten::default());
        let written = Arc::clone(&being_written);
        let handler = move |event: notify::Result<Event>| {
            if let Ok(event) = &event {
                follow_writers(event, &written);
            }
            if !pass_on(event, &wake, &sender) {
                // One message is enough for any number of losses.
                let _ = lost.try_send(());
            }
        };
        // As the scan does. Behind a link are other folders, or the same files again.
        let config = Config::default().with_follow_symlinks(false);
        let mut watcher = RecommendedWatcher::new(handler, config)?;
        let mut listened = Vec::new();
        for folder in folders {
            // Before it is listened to, so that a folder that takes its place in between is noticed.
            listened.push((folder.clone(), identity(folder)));
            if let Err(error) = watcher.watch(folder, RecursiveMode::Recursive) {
                warn(folder, &error);
            }
        }
        if let Err(error) = watcher.watch(wake_file, RecursiveMode::NonRecursive) {
            warn(wake_file, &error);
        }
        Ok(Self {
            hints,
            losses,
            listened,
            being_written,
            _watcher: watcher,
        })
    }

    /// Whether the name of a folder leads to another folder than before: a mount came or went.
    pub(super) fn is_stale(&self) -> bool {
        self.listened
            .iter()
            .any(|(folder, before)| identity(folder) != *before)
    }

    /// The hints in the order of arrival, each with the moment of its arrival.
    pub(super) fn hints(&self) -> &Receiver<(Instant, Hint)> {
        &self.hints
    }

    /// The files that are being written to.
    pub(super) fn being_written(&self) -> &BeingWritten {
        &self.being_written
    }

    /// Has a message when hints were lost since the last message was read.
    pub(super) fn losses(&self) -> &Receiver<()> {
        &self.losses
    }
}

impl Intake<'_> {
    /// Begins to listen, or begins anew.
    pub(super) fn listen(&mut self) {
        let _files = self.mark.begin(Activity::Files);
        if self.options.drain {
            return;
        }
        // Where scans are relied on, the wake file alone is listened to: the catalog is on this machine.
        let folders: Vec<PathBuf> = if self.options.poll {
            Vec::new()
        } else {
            self.options.selection.paths().collect()
        };
        match Listener::new(&folders, &self.options.wake_file) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => log::warn!("no notifications from the kernel: {error}; relying on scans"),
        }
    }

    /// Considers the file that a hint is about, or plans a scan.
    pub(super) fn on_hint(&mut self, moment: Instant, hint: Hint) {
        let _files = self.mark.begin(Activity::Files);
        let (path, cause) = match hint {
            Hint::Complete(path) => (path, Cause::Complete(moment)),
            Hint::Appeared(path) => (path, Cause::Appeared),
            Hint::Marked => {
                log::info!("files were marked to be tried again; scanning");
                return self.scan_by(Instant::now());
            }
        };
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            return;
        };
        if metadata.is_dir() && self.options.selection.enters(&path) {
            self.on_new_folder(path);
        } else if self.options.selection.takes(&path)
            && let Ok(Some(seen)) = self.options.selection.look(&path)
        {
            self.consider(self.options.selection.image_of(&path), seen, cause);
        } else if cause != Cause::Appeared
            && self.options.selection.is_relocated(&path)
            && let Ok(Some(seen)) = self.options.selection.look(&path)
        {
            // It was moved, and is looked at when whoever wrote to it has left it alone.
            self.consider(
                self.options.selection.image_of(&path),
                seen,
                Cause::Appeared,
            );
        }
    }
}

/// Keeps the list of the files that are being written to.
fn follow_writers(event: &Event, being_written: &BeingWritten) {
    let Some(path) = event.paths.first() else {
        return;
    };
    match event.kind {
        EventKind::Modify(ModifyKind::Data(_)) => being_written.insert(path.clone()),
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Remove(_)
        | EventKind::Modify(ModifyKind::Name(_)) => being_written.remove(path),
        _ => {}
    }
}

/// What tells a folder from another one: the numbers of its device and of its inode.
type Identity = (u64, u64);

/// `None` when there is no folder.
fn identity(folder: &Path) -> Option<Identity> {
    let metadata = fs::metadata(folder).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn warn(folder: &Path, error: &notify::Error) {
    log::warn!(
        "cannot listen to '{}': {error}; scans find its files",
        readable(folder)
    );
}

/// Returns false when a hint is lost.
fn pass_on(
    event: notify::Result<Event>,
    wake_file: &Path,
    sender: &Sender<(Instant, Hint)>,
) -> bool {
    match event {
        Ok(event) if event.need_rescan() => false,
        Ok(event) => match hint(event, wake_file) {
            Some(hint) => sender.try_send((Instant::now(), hint)).is_ok(),
            None => true,
        },
        Err(error) => {
            log::warn!("{error}; a scan takes its place");
            false
        }
    }
}

fn hint(mut event: Event, wake_file: &Path) -> Option<Hint> {
    let path = event.paths.pop()?;
    match event.kind {
        EventKind::Modify(ModifyKind::Data(_)) if path == wake_file => Some(Hint::Marked),
        // A program that only looks at it opens and closes it, too.
        _ if path == wake_file => None,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Some(Hint::Complete(path)),
        EventKind::Create(CreateKind::File | CreateKind::Folder | CreateKind::Any) => {
            Some(Hint::Appeared(path))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::time::Duration;

    #[test]
    fn closing_and_renaming_complete_a_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        let wake_file = elsewhere.path().to_owned();
        let listener = Listener::new(&[folder.path().to_owned()], &wake_file).unwrap();
        let next = || {
            listener
                .hints()
                .recv_timeout(Duration::from_secs(30))
                .unwrap()
                .1
        };
        let (written, renamed) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&written, "x").unwrap();
        assert_eq!(next(), Hint::Appeared(written.clone()));
        assert_eq!(next(), Hint::Complete(written.clone()));
        std::fs::rename(&written, &renamed).unwrap();
        assert_eq!(next(), Hint::Complete(renamed));
        // Opening the wake file is no message; writing to it is.
        drop(
            std::fs::File::options()
                .append(true)
                .open(&wake_file)
                .unwrap(),
        );
        std::fs::write(&written, "x").unwrap();
        assert_eq!(next(), Hint::Appeared(written.clone()));
        assert_eq!(next(), Hint::Complete(written));
        elsewhere.as_file().write_all(b"x").unwrap();
        assert_eq!(next(), Hint::Marked);
        assert!(listener.losses().is_empty());
    }

    #[test]
    fn what_the_kernel_or_the_queue_lost_is_an_overflow() {
        let (sender, _hints) = bounded(1);
        let lost = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        let wake_file = Path::new("/wake_file");
        assert!(!pass_on(Ok(lost), wake_file, &sender));
        let created = || Ok(Event::new(EventKind::Create(CreateKind::File)).add_path("/a".into()));
        assert!(pass_on(created(), wake_file, &sender));
        assert!(!pass_on(created(), wake_file, &sender));
    }
}
