//! From volunteers' votes to a clean, labelled sample (the paper's section 2).
//!
//! ```text
//! CSV, FITS, Parquet -> table -> reader (cumulative fractions) -> cuts (Table 1) -> sample -> labels + split
//! ```
//!
//! `tree` knows what a column means: it is the decision tree of Galaxy Zoo 2. `table` knows
//! how a file is read (by `galmorph-table`). A TOML file, read by [`Cuts`], says which galaxy is of which class. None of them
//! knows of the others.

mod cuts;
mod reader;
mod sample;
mod split;
mod table;
mod tree;

pub use cuts::Cuts;
pub use reader::{Convention, VoteReader, Votes};
pub use sample::{Galaxy, Sample};
pub use split::Splitter;
pub use tree::Answer;
