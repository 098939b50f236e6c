//! Errors, split by consequence: what the user has to do, and the exit code that says so.

use std::io;
use std::path::{Path, PathBuf};

use galmorph_output::{OutputError, readable};

/// What an error was caused by, kept for callers that ask for [`source`](std::error::Error::source).
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line, a table or an image is wrong: correct the input. The message names the file,
    /// the place in it and the fix.
    #[error("{0}")]
    Input(String),
    /// A part of the input is wrong: correct it.
    #[error("{place}: {source}")]
    InputAt {
        /// The file and the place in it, or what could not be done.
        place: String,
        /// What is wrong there.
        source: Cause,
    },
    /// An input file can't be read at all, or is not of the kind that it should be.
    #[error("cannot read {what} '{}': {source}", readable(path))]
    InputFile {
        /// `labels`, `votes` or the like.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: Cause,
    },
    /// A file that this program writes itself, such as a checkpoint, can't be used: give another one.
    #[error("cannot use {what} '{}': {source}", readable(path))]
    UnusableFile {
        /// `checkpoint`, `model` or the like.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: Cause,
    },
    /// The system refuses to read or write a file.
    #[error("cannot {action} '{}': {source}", readable(path))]
    Io {
        /// `read`, `write` or the like.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The results can't be printed.
    #[error("cannot print the results: {0}")]
    Output(#[source] io::Error),
    /// The loss is no longer a number: the same settings would lead there again.
    #[error("training diverged: the loss is {loss} at step {step} (try a smaller --rate)")]
    Diverged {
        /// The step, counted from 0.
        step: u64,
        /// NaN or an infinity.
        loss: f64,
    },
    /// The device has too little memory for what it was asked to do.
    #[error("the GPU has too little memory: {0} (try a smaller --batch, or --augment-on host)")]
    Memory(String),
    /// A signal stopped the run, after its state was saved.
    #[error("interrupted; run the same command again to continue from '{}'", readable(.0))]
    Interrupted(PathBuf),
    /// A fault of this program or of the machine, not of the input.
    #[error("internal error: cannot {action}: {source}")]
    Internal {
        /// What was tried.
        action: &'static str,
        /// What went wrong.
        source: Cause,
    },
}

impl From<OutputError> for Error {
    fn from(error: OutputError) -> Self {
        match error {
            OutputError::File { .. } => Self::Input(error.to_string()),
            OutputError::Stream(error) => Self::Output(error),
        }
    }
}

impl Error {
    /// Adds what was tried on which file to an error of the system.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Adds where the input is wrong.
    pub(crate) fn input_at<E: Into<Cause>>(place: String) -> impl FnOnce(E) -> Self {
        move |source| Self::InputAt {
            place,
            source: source.into(),
        }
    }

    /// Adds which input file can't be read.
    pub(crate) fn input_file<E: Into<Cause>>(
        what: &'static str,
        path: &Path,
    ) -> impl Fn(E) -> Self {
        move |source| Self::InputFile {
            what,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Adds which of the program's own files can't be used.
    pub(crate) fn unusable<E: Into<Cause>>(what: &'static str, path: &Path) -> impl Fn(E) -> Self {
        move |source| Self::UnusableFile {
            what,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Adds what this program was doing when it failed.
    pub(crate) fn internal<E: Into<Cause>>(action: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::Internal {
            action,
            source: source.into(),
        }
    }

    /// The exit code, as `galmorph-train --help` lists it.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Diverged { .. } => 1,
            Self::Input(_) | Self::InputAt { .. } | Self::InputFile { .. } | Self::Memory(_) => 2,
            Self::UnusableFile { .. } | Self::Io { .. } | Self::Output(_) => 3,
            Self::Internal { .. } => Self::INTERNAL,
            Self::Interrupted(_) => 130,
        }
    }

    /// The exit code of [`Error::Internal`], and of a panic: `EX_SOFTWARE` of `sysexits.h`.
    pub const INTERNAL: u8 = 70;

    /// What a panic of torch's means, as far as people can do something about it: a GPU that has no memory left.
    pub fn of_panic(message: &str) -> Option<Self> {
        let at = message.find("CUDA out of memory")?;
        // torch goes on with advice for Python.
        let sentences = message[at..].split(". ").skip(1).take(2);
        Some(Self::Memory(sentences.collect::<Vec<_>>().join(". ")))
    }

    /// Whether the reader of the results closed the pipe, as `head` does: no fault of anyone.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// A result whose error is an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_its_cause_and_keeps_it() {
        let cause = io::Error::other("the disk is on fire");
        let error = Error::unusable("checkpoint", Path::new("run/x"))(cause);
        let text = error.to_string();
        assert_eq!(text, "cannot use checkpoint 'run/x': the disk is on fire");
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.downcast_ref::<io::Error>().is_some());
    }

    #[test]
    fn a_gpu_without_memory_is_told_in_a_sentence_and_other_panics_stay_what_they_are() {
        let message = "called `Result::unwrap()` on an `Err` value: Torch(\"CUDA out of memory. Tried to allocate \
            2.00 GiB. GPU 0 has a total capacity of 79.19 GiB of which 1.06 GiB is free. Process 1 has 78 GiB memory \
            in use. If reserved but unallocated memory is large try setting PYTORCH_ALLOC_CONF\")";
        let error = Error::of_panic(message).unwrap();
        assert_eq!(
            error.to_string(),
            "the GPU has too little memory: Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.19 GiB of \
             which 1.06 GiB is free (try a smaller --batch, or --augment-on host)"
        );
        assert_eq!(error.exit_code(), 2);
        assert!(Error::of_panic("index out of bounds").is_none());
    }

    #[test]
    fn a_terminal_obeys_no_name_of_a_file() {
        let path = Path::new("run\u{1b}[2J\n");
        let cause = || io::Error::other("gone");
        for error in [
            Error::io("read", path)(cause()),
            Error::unusable("model", path)(cause()),
            Error::input_file("labels", path)(cause()),
            Error::Interrupted(path.to_owned()),
        ] {
            let text = error.to_string();
            assert!(text.contains("'run\\u{1b}[2J\\n'"), "{text:?}");
        }
    }

    #[test]
    fn only_a_closed_pipe_is_passed_over() {
        let output = |kind: io::ErrorKind| Error::Output(kind.into());
        assert!(output(io::ErrorKind::BrokenPipe).is_closed_pipe());
        assert!(!output(io::ErrorKind::StorageFull).is_closed_pipe());
        let other = Error::io("write", Path::new("x"))(io::ErrorKind::BrokenPipe.into());
        assert!(!other.is_closed_pipe());
    }
}
