//! What programs leave behind: files that replace nothing by accident ([`Output`]), and lines for people in
//! which no name of a file hides anything ([`readable`]). And where they can be asked ([`Endpoint`]), and what they log
//! ([`log_levels`]).
//!
//! All programs of the workspace write by these rules.

mod endpoint;
mod file;
mod log_levels;
mod path_text;
mod visible;

pub use endpoint::Endpoint;
pub use file::{Output, OutputError};
pub use log_levels::log_levels;
pub use path_text::{path_text, text_path};
pub use visible::{is_unseen, readable, visible};
