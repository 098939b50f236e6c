//! The program: it parses, runs, and turns the outcome into an exit code. Everything else is in the
//! library, where it can be tested.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ContextValue;
use galmorph::cli::{self, Arguments, Outcome};
use galmorph_output::{is_unseen, visible};
use systemd_journal_logger::connected_to_journal;

fn main() -> ExitCode {
    // SAFETY: `main` has just begun, so this is the only thread.
    #[allow(unsafe_code, reason = "see the function")]
    unsafe {
        return_freed_memory();
    }
    let arguments = Arguments::try_parse().unwrap_or_else(|error| explain(error));
    match cli::run(arguments) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::SomeRejected) => ExitCode::from(1),
        Err(failure) => {
            // The journal reads "<3>" as the level of an error.
            let level = if connected_to_journal() { "<3>" } else { "" };
            for line in failure.lines() {
                // If the reader of standard error is gone, the exit code still says it.
                let _ = writeln!(io::stderr(), "{level}galmorph: {}", visible(&line));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Ends the program as clap does. What clap repeats of the command line may be names of files.
fn explain(mut error: clap::Error) -> ! {
    let escape = |text: &String| visible(text).into_owned();
    let escaped: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| {
            let value = match value {
                ContextValue::String(text) => ContextValue::String(escape(text)),
                ContextValue::Strings(texts) => {
                    ContextValue::Strings(texts.iter().map(escape).collect())
                }
                // A suggestion that repeats what can't be shown helps no one.
                ContextValue::StyledStrs(texts)
                    if texts
                        .iter()
                        .any(|text| text.to_string().contains(is_unseen)) =>
                {
                    ContextValue::None
                }
                _ => return None,
            };
            Some((kind, value))
        })
        .collect();
    for (kind, value) in escaped {
        error.insert(kind, value);
    }
    error.exit()
}

/// Makes the allocator return large freed pieces of memory to the system, for as long as the program runs.
///
/// Reading, checking and planning a model frees more memory than the model keeps. By default glibc's
/// allocator holds on to such pieces once the first of them was freed: up to 80 MB more for the paper's
/// network. Does nothing with another C library.
///
/// # Safety
///
/// No other thread runs: glibc documents `mallopt` as "MT-Unsafe init".
#[allow(unsafe_code, reason = "a function of the C library")]
unsafe fn return_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // Smaller pieces are kept for the next one, as by default: an image and its views are smaller.
        const LARGE: libc::c_int = 1 << 20;
        // SAFETY: `mallopt` sets two numbers of the allocator, and no other thread uses it meanwhile.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
            // Setting the first number ends the allocator's own adjustment of this one, which would stay at
            // 128 KiB: the end of the heap would be returned after each image, and requested for the next.
            libc::mallopt(libc::M_TRIM_THRESHOLD, 16 * LARGE);
        }
    }
}
