//! A worker: takes references from a stream, answers, commits to PostgreSQL, and only then acknowledges.
//!
//! ```text
//! take -> look up -> read and answer (threads) -> commit -> acknowledge
//! ```
//!
//! At most two batches are in hand: one is answered while the one before is committed. So a server that is slow stops the
//! taking, and what a killed worker leaves behind is little.
//!
//! **Once, whatever is delivered how often.** What PostgreSQL has of a path is looked up before its file is read, and looked at again
//! in the transaction that writes its row. If it is another row by then, somebody else was there: a worker that was stalled
//! and wakes up with what it read an hour ago writes nothing. No clock is asked.
//!
//! **Poison.** A file may end its worker, each time. What was held by a worker that is gone is therefore tried one by one, alone in
//! the process, and after [`MOST_DELIVERIES`] it gets a row that says so.
//!
//! **Late files.** A file that can't be read is tried again for a while, since network file systems are late, and then
//! gets a row that says so; unless its whole folder is gone, which is waited for.
//!
//! | file | |
//! |---|---|
//! | `desk` | the loop: what is taken, and when it is done |
//! | `database` | what PostgreSQL has |
//! | `transaction` | the one that writes rows |
//! | `prepared` | its statements |
//! | `batch` | what is answered together |
//! | `hand` | what it holds while it waits for PostgreSQL |
//! | `counts` | what it did |
//! | `late` | files that can't be read yet |
//! | `roots` | the folders of which a worker takes files |
//! | `verdict` | what is to be done with an item |
//! | `file_row` | a row that is to be written |
//! | `rows` | rows of files without an answer |

mod batch;
mod counts;
mod database;
mod desk;
mod file_row;
mod hand;
mod late;
mod prepared;
mod roots;
mod rows;
mod transaction;
mod verdict;

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};
use galmorph_catalog::{Stamp, new_row};
use galmorph_cutout::{FramingSettings, Limits};
use galmorph_inference::Model;
use jiff::Timestamp;
use rusqlite::types::Value;

use crate::Failure;
use crate::answer::{Answerer, Fate};
use crate::plan::{Item, PlannedModel};
use crate::server::Server;
use crate::stop::Stop;
use crate::stream::Stream;
pub(crate) use counts::Counts;
use database::{Database, Standing, Who};
use desk::Desk;
pub(crate) use roots::Roots;

/// How often an item is delivered before it is given up.
pub(crate) const MOST_DELIVERIES: u64 = 5;

/// How a worker works.
#[derive(Debug)]
pub(crate) struct WorkOptions {
    pub(crate) site: String,
    pub(crate) machine: String,
    /// The name of this process, and of the member of the group.
    pub(crate) name: String,
    pub(crate) roots: Roots,
    pub(crate) framing: FramingSettings,
    pub(crate) workers: NonZero<usize>,
    /// Items in a batch.
    pub(crate) batch: usize,
    /// How long a file that can't be read is tried.
    pub(crate) patience: Duration,
    /// How long a worker may not be heard of before what it holds is taken over.
    pub(crate) claim: Duration,
    /// End when the stream is empty.
    pub(crate) drain: bool,
    /// Whether answers are kept beside those that are shown.
    pub(crate) beside: bool,
}

/// A file to be answered.
struct Job {
    batch: u64,
    at: usize,
    item: Item,
    place: PathBuf,
    standing: Option<Standing>,
}

/// What became of it.
#[derive(Debug)]
enum Outcome {
    /// PostgreSQL has its answer.
    Known,
    /// A row, and what it says of the file.
    Row(Vec<Value>),
    /// It can't be read.
    Unread(String),
}

/// Works until it is asked to end; with `drain`, until the stream is empty.
pub(crate) fn work(
    server: &Server,
    stream: &mut dyn Stream,
    (model, planned): (&Model, &PlannedModel),
    options: &WorkOptions,
    stop: &Stop,
) -> Result<Counts, Failure> {
    let who = Who {
        site: options.site.clone(),
        name: options.name.clone(),
        machine: options.machine.clone(),
        started: Timestamp::now(),
        is_beside: options.beside,
    };
    let mut database = Database::new(server, planned, who);
    // Answers need its number.
    let number = stop.persist(|| {}, || database.run(|session| Ok(session.model())))?;
    let (jobs_out, jobs) = unbounded();
    let (outcomes_out, outcomes) = unbounded();
    thread::scope(|scope| {
        for _ in 0..options.workers.get() {
            let (jobs, outcomes): (Receiver<Job>, Sender<_>) = (jobs.clone(), outcomes_out.clone());
            let mut answerer = Answerer {
                model,
                classifier: model.classifier(),
                framing: options.framing,
                limits: Limits::default(),
                time: Timestamp::now(),
            };
            scope.spawn(move || {
                for job in jobs {
                    let answer =
                        AssertUnwindSafe(|| answer(&mut answerer, &job, number, options.beside));
                    // A bug of this program, with this file: it ends as a crash of a library would.
                    let outcome = catch_unwind(answer).unwrap_or_else(|_| std::process::abort());
                    if outcomes.send((job.batch, job.at, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        Desk::new(database, stream, jobs_out, outcomes, options, stop).run()
    })
}

fn answer(answerer: &mut Answerer, job: &Job, model: i32, is_beside: bool) -> Outcome {
    if let Some(standing) = &job.standing
        && let Ok(metadata) = job.place.metadata()
        && standing.is_of(Stamp::of(&metadata), model, is_beside)
    {
        return Outcome::Known;
    }
    let now = Timestamp::now();
    answerer.time = job
        .standing
        .as_ref()
        .map_or(now, |standing| standing.first_seen);
    match answerer.answer(&job.item, &job.place) {
        Fate::Row(entry) => Outcome::Row(new_row(&entry, i64::from(model), now)),
        Fate::Unread(why) => Outcome::Unread(why),
    }
}
