//! Readers of the catalog, each question with a deadline.
//!
//! A question that no index serves reads every row, which takes minutes in a large catalog. So whoever asks can be
//! interrupted from outside. A reader is kept for the next question as long as the file under the catalog's name is the
//! one that it has open.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use galmorph_catalog::{CatalogError, Reader};

/// How many readers wait for questions.
const KEPT: usize = 8;

/// The device and the number of a file.
type FileId = Option<(u64, u64)>;

pub(crate) struct Catalog {
    path: PathBuf,
    idle: Mutex<Vec<(FileId, Reader)>>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// The catalog can't be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// It was interrupted.
    #[error("the question took too long")]
    TooLong,
}

/// Ends a question when its time is over. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Deadline(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_over: bool,
    interrupt: Option<Box<dyn Fn() + Send>>,
}

impl Deadline {
    /// Interrupts the question that is being asked, and all that follow.
    pub(crate) fn expire(&self) {
        let mut state = self.lock();
        state.is_over = true;
        if let Some(interrupt) = &state.interrupt {
            interrupt();
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalog {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of its file, without the folders.
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        galmorph_output::readable(Path::new(name))
    }

    /// Asks the catalog.
    pub(crate) fn ask<T, E: From<AskError>>(
        &self,
        deadline: &Deadline,
        work: impl FnOnce(&Reader) -> Result<T, E>,
    ) -> Result<T, E> {
        if deadline.is_over() {
            return Err(AskError::TooLong.into());
        }
        let (id, reader) = self.take().map_err(|error| E::from(error.into()))?;
        deadline.lock().interrupt = Some(Box::new(reader.interrupter()));
        let outcome = work(&reader);
        // Under the lock: an interrupt that came later would meet whoever has the reader next.
        let is_over = {
            let mut state = deadline.lock();
            state.interrupt = None;
            state.is_over
        };
        if is_over {
            return outcome.map_err(|_| AskError::TooLong.into());
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push((id, reader));
        }
        outcome
    }

    fn take(&self) -> Result<(FileId, Reader), CatalogError> {
        // By its name: to open and close the file would take away the locks of all readers.
        let id = self.path.metadata().ok();
        let id = id.map(|metadata: fs::Metadata| (metadata.dev(), metadata.ino()));
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(known, _)| *known == id);
        if let Some(known) = idle.pop() {
            return Ok(known);
        }
        drop(idle);
        Ok((id, Reader::open_current(&self.path)?))
    }
}
