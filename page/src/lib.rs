//! `galmorph-page`: the catalog in a browser, and what people say of its galaxies back into it.
//!
//! A program of its own beside the daemon. It reads the catalog and writes nothing but reviews and the marks of a
//! retry, each in one short transaction. It shows images only of rows whose file still is the row's, and never sends
//! a byte of an image that it did not decode and encode itself.
//!
//! | module | |
//! |---|---|
//! | `arguments`, `failure` | the command line and the exit codes |
//! | `server` | connections, their limits and deadlines |
//! | `routes` | which address is which view |
//! | `guard`, `problem` | whether a request may be answered at all; why there is no page |
//! | `answer` | answers, and the headers that all of them have |
//! | `selection` | an address to the rows that it selects, and back |
//! | `catalog` | readers of the catalog, each question with a deadline |
//! | `picture` | a row to a picture: the file, its limits, the cache of thumbnails |
//! | `why` | a row to the map of what its answer depends on: the model, the queue, the last maps |
//! | `statistics` | purity, completeness and agreement, with their intervals |
//! | `sample` | random rows that are the same for everybody |
//! | `views` | the pages as HTML |
//! | `download`, `standalone` | a selection as a file, and as one page |

mod answer;
mod arguments;
mod catalog;
mod download;
mod failure;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod picture;
mod problem;
mod routes;
mod sample;
mod selection;
mod server;
mod standalone;
mod statistics;
mod views;
mod why;

use galmorph_output::log_levels;

pub use arguments::Arguments;
pub use failure::Failure;
pub use server::Server;

/// Serves the page until a signal ends it, or writes a page that stands alone.
///
/// # Errors
/// See [`Failure`].
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let asked = log_levels().map_err(Failure::Usage)?;
    env_logger::Builder::new()
        .parse_filters(asked.as_deref().unwrap_or("info"))
        .format_target(false)
        .init();
    match &arguments.export {
        Some(file) => standalone::write(arguments, file),
        None => Server::bind(arguments)?.run(),
    }
}
