//! The `galmorph-train` program: parses the command line, runs it, and turns an error into one line and an
//! exit code. Everything else is in the library, where it can be tested.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::process::ExitCode;

use clap::Parser;
use env_logger::Builder;
use galmorph_output::log_levels;
use galmorph_train::Error;
use galmorph_train::commands::Cli;

fn main() -> ExitCode {
    let keeps_memory = keep_freed_memory();
    let cli = Cli::parse();
    // A flag beats the environment.
    let asked = match cli.log_level() {
        Some(level) => level.to_string(),
        None => match log_levels() {
            Ok(asked) => asked.unwrap_or_else(|| "info".into()),
            Err(message) => {
                let error = Error::Input(message);
                let _ = writeln!(std::io::stderr(), "galmorph-train: {error}");
                return ExitCode::from(error.exit_code());
            }
        },
    };
    let mut log = Builder::new();
    log.parse_filters(&asked).format_target(false).init();
    if !keeps_memory {
        log::debug!("the C library's allocator can't be told to keep freed memory");
    }
    // torch's own errors arrive as panics. Those that say what to do are told like every other error; of the others
    // the panic's message is printed by the time that they get here.
    let show = take_hook();
    set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if Error::of_panic(message).is_none() {
            show(panic);
        }
    }));
    match catch_unwind(AssertUnwindSafe(|| cli.run())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Ok(Err(error)) => fail(&error),
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map_or("", String::as_str);
            match Error::of_panic(message) {
                Some(error) => fail(&error),
                None => ExitCode::from(Error::INTERNAL),
            }
        }
    }
}

/// Says what is wrong. Where standard error is closed, the exit code has to do.
fn fail(error: &Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "galmorph-train: {error}");
    ExitCode::from(error.exit_code())
}

/// Tells the C library's allocator to keep freed memory for the next allocation, until the program ends.
/// Returns whether it does.
///
/// A training step's activations are tensors of many megabytes. By default glibc maps each of them anew,
/// and the system clears its pages: 0.4 of the time of a step. In return a run's peak memory grows by 5
/// to 25 %, since a kept block doesn't always fit the next tensor.
fn keep_freed_memory() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt must not run while another thread allocates. This is the first call of `main`,
    // and no other thread has started.
    #[allow(unsafe_code)]
    unsafe {
        // -1 is the documented value for "never give memory back".
        libc::mallopt(libc::M_MMAP_MAX, 0) & libc::mallopt(libc::M_TRIM_THRESHOLD, -1) != 0
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}
