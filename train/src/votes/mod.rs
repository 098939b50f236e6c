//! From volunteers' votes to a clean, labelled sample (the paper's section 2).
//!
//! ```text
//! CSV, FITS -> table -> reader (cumulative fractions) -> cuts (Table 1) -> sample -> labels + split
//! ```
//!
//! What a column means is in `tree`, the decision tree of Galaxy Zoo 2; how a file is read is in
//! `table` and `fits`; which galaxy is of which class is in a TOML file that [`Cuts`] reads. None knows
//! of the others' matters.

mod cuts;
mod fits;
mod reader;
mod sample;
mod split;
mod table;
mod tree;

pub use cuts::{Cuts, Verdict};
pub use reader::{Convention, VoteReader, Votes};
pub use sample::{Galaxy, Sample};
pub use split::Splitter;
pub use tree::Answer;
