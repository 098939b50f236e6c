//! The catalog: an SQLite file with one writer and any number of readers.
//!
//! SQLite keeps the promise that this program makes: a row that was recorded survives a crash, and
//! anything that speaks SQLite can read it at any time. In WAL mode, readers and the writer do not
//! block each other. With `synchronous = FULL`, a commit is on the disk.
//!
//! | module | |
//! |---|---|
//! | `lock`, `presence`, `mark` | one daemon for a catalog; the catalog on the disk is the one in use |
//! | `schema` | tables, indexes and views |
//! | `migration` | the way from an earlier version to this one |
//! | `shape` | whether a catalog has the tables and views that it should have |
//! | `model` | models, and their rows |
//! | `writer` | the daemon's connection: verdicts, moves, what is watched |
//! | `reader` | is a file done, counts, queries, checks, backups |
//! | `band_set` | the files of an image that has a file for each band |
//! | `assembly` | a catalog that is put together at once: a part of an archive, several machines' catalogs in one |
//! | [`retry`](retry()), [`review`](review()), [`keep_class_mix`] | the three things that another program than the daemon writes |
//! | [`ask`] | what people ask for, as they write it |
//! | [`columns`] | what each column is: unit, UCD, meaning |
//! | [`export`] | rows as a table, CSV, VOTable, FITS, Parquet...: one format a file |
//!
//! The catalog knows none of its readers: it imports nothing from the daemon.

pub mod ask;
mod assembly;
mod band_set;
mod class_mix;
pub mod columns;
mod connect;
mod error;
mod exclusion;
pub mod export;
mod file;
mod healpix;
mod lock;
mod mark;
mod migration;
mod model;
mod names;
mod presence;
mod reader;
mod retry;
mod review;
mod schema;
mod shape;
mod stamp;
#[cfg(test)]
mod tests;
pub mod time;
mod watch;
mod writer;

pub use assembly::{Assembly, Collision, Taken};
pub use band_set::{BandSet, digest_of_bands, numbered};
pub use class_mix::{NewClassMix, keep_class_mix};
pub use columns::probability_columns;
pub use error::{CatalogError, CatalogFault};
pub use exclusion::Exclusion;
pub use file::{Condition, in_use, inspect, is_watched, sizes};
pub use healpix::{cell as healpix_cell, separation};
pub use migration::Supervisor;
pub use model::ModelInUse;
pub use names::{files_of, object_id};
pub use reader::{
    AnswersOfDay, BackupError, Cone, CopiedModel, CopiedReview, FileRow, FileState, FileStatus,
    Filter, Nearest, Night, OldAnswer, Order, Overview, Page, Place, Query, Reader, RequiredModel,
    RequiredPicture, SqlError, StaleReason, Turn, Unreviewed, file_columns, other_answer_columns,
};
pub use retry::{ByReason, Chance, Few, Retried, RetryError, Wanted, retry, wake_file};
pub use review::{Agreement, Judgement, Labels, NewReview, Reviewed, review, reviewed_labels};
pub use stamp::Stamp;
pub use watch::{
    DONE, LoggedError, REJECTED, RejectedBefore, Watch, Watched, WatchedFolder, note_loss,
};
pub use writer::{
    Described, Entry, Move, Revision, Standing, Verdict, Writer, length, new_row, rendering_key,
};
