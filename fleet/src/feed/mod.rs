//! Feeds a stream with what PostgreSQL doesn't have.
//!
//! The files are the truth, and PostgreSQL says which of them are done. A pass looks at every file: one whose row says so is
//! done, one that is on the stream waits, and the others are added. So a stream that was lost is fed again by the next pass,
//! and a pass that follows another one adds nothing. Two feeders of the same files may add a file twice, which costs a look.
//!
//! The stream is not filled beyond a length: the folders hold the rest.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use galmorph_catalog::Stamp;
use galmorph_output::readable;
use jiff::Timestamp;
use postgres::Client;

use crate::Failure;
use crate::plan::{Item, Source, gather};
use crate::server::{Fault, Server, path_key, require_current};
use crate::stop::Stop;
use crate::stream::Stream;

/// Files that PostgreSQL is asked about at once.
const CHUNK: usize = 1000;

/// How long to wait for a stream that is full.
const FULL: Duration = Duration::from_secs(1);

/// A file that was written so short ago may not be whole yet. Who watches leaves it to the next pass.
const SETTLING: Duration = Duration::from_secs(2);

/// What is fed.
#[derive(Debug)]
pub(crate) struct FeedOptions {
    pub(crate) site: String,
    pub(crate) machine: String,
    pub(crate) source: Source,
    /// How long the stream may become.
    pub(crate) longest: u64,
    /// How often all files are looked at; `None` for once.
    pub(crate) watch: Option<Duration>,
}

/// What a pass found. Each file is in one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fed {
    pub(crate) answered: u64,
    pub(crate) rejected: u64,
    /// Those on the stream already.
    pub(crate) waiting: u64,
    pub(crate) added: u64,
    /// Those that are still being written.
    pub(crate) settling: u64,
    /// Those of them that have a row, of what they were before.
    settling_with_row: u64,
}

impl Fed {
    pub(crate) fn files(&self) -> u64 {
        self.answered + self.rejected + self.waiting + self.added + self.settling
    }
}

/// Feeds until it is asked to end; without `watch`, once. Returns what the last pass found.
pub(crate) fn feed(
    server: &Server,
    stream: &mut dyn Stream,
    options: &FeedOptions,
    stop: &Stop,
) -> Result<Fed, Failure> {
    let mut feeder = Feeder {
        server,
        client: None,
        stream,
        options,
        stop,
        waiting: HashSet::new(),
        fed: Fed::default(),
    };
    loop {
        let begun = Instant::now();
        // A folder that is away is waited for, as a server is.
        match feeder.pass() {
            Err(Failure::Transient(what)) if options.watch.is_some() => {
                log::warn!("{what}; trying again");
            }
            outcome => outcome?,
        }
        let Some(pause) = options.watch else {
            return Ok(feeder.fed);
        };
        stop.sleep(pause.saturating_sub(begun.elapsed()).max(FULL), || {});
        if stop.requested() {
            return Ok(feeder.fed);
        }
    }
}

struct Feeder<'a> {
    server: &'a Server,
    client: Option<Client>,
    stream: &'a mut dyn Stream,
    options: &'a FeedOptions,
    stop: &'a Stop,
    /// The keys of what is on the stream.
    waiting: HashSet<Key>,
    fed: Fed,
}

/// What a path is found by.
type Key = [u8; 16];

fn key(path: &str) -> Key {
    path_key(path)
        .try_into()
        .expect("the key of a path has 16 bytes")
}

/// A row, as far as it says whether its file is done: size, time in nanoseconds since 1970, and whether it was rejected.
type Row = (Option<i64>, Option<i64>, bool);

impl Feeder<'_> {
    /// Looks at every file.
    fn pass(&mut self) -> Result<(), Failure> {
        self.fed = Fed::default();
        let mut files =
            gather(&self.options.source).map_err(|failure| match self.options.watch {
                // Folders come and go.
                Some(_) => Failure::Transient(failure.to_string()),
                None => failure,
            })?;
        // Before PostgreSQL is asked: what leaves the stream meanwhile has its row already.
        let (stream, stop) = (&mut *self.stream, self.stop);
        self.waiting = stop.persist(
            || {},
            || {
                let mut waiting = HashSet::new();
                stream.each(&mut |item| {
                    waiting.insert(key(&item.path));
                })?;
                Ok(waiting)
            },
        )?;
        let mut chunk = Vec::with_capacity(CHUNK);
        let twice = files.each(|item| -> Result<(), Stopped> {
            chunk.push(item);
            if chunk.len() == CHUNK {
                self.look(&std::mem::take(&mut chunk))?;
            }
            if self.stop.requested() {
                return Err(Stopped::Requested);
            }
            Ok(())
        });
        match twice {
            Err(Stopped::Requested) => return Ok(()),
            Err(Stopped::Failure(failure)) => return Err(failure),
            Ok(_) => self.look(&chunk)?,
        }
        if self.stop.requested() {
            return Ok(());
        }
        self.note()?;
        let fed = self.fed;
        log::info!(
            "{} files: {} answered, {} rejected, {} waiting, {} added{}",
            fed.files(),
            fed.answered,
            fed.rejected,
            fed.waiting,
            fed.added,
            match fed.settling {
                0 => String::new(),
                settling => format!(", {settling} still being written"),
            }
        );
        Ok(())
    }

    /// Looks at some files, and adds those that are not done.
    fn look(&mut self, items: &[Item]) -> Result<(), Failure> {
        let (site, keys) = (&self.options.site, keys(items));
        let rows: HashMap<Vec<u8>, Row> = ask(
            self.stop,
            self.server,
            &mut self.client,
            |client| {
                let find = "SELECT path_key, bytes, modified, reason IS NOT NULL FROM cutout WHERE site = $1 AND path_key = ANY ($2)";
                let rows = client.query(find, &[&site, &keys])?;
                let row = |row: &postgres::Row| (row.get(0), (row.get(1), row.get(2), row.get(3)));
                Ok(rows.iter().map(row).collect())
            },
        )?;
        let mut add = Vec::new();
        for (item, key) in items.iter().zip(&keys) {
            let place = item.file();
            if self.waiting.contains(&**key) {
                self.fed.waiting += 1;
                continue;
            }
            match rows.get(key) {
                Some(row) if is_done(row, &place) && row.2 => self.fed.rejected += 1,
                Some(row) if is_done(row, &place) => self.fed.answered += 1,
                row if self.options.watch.is_some() && is_settling(&place) => {
                    self.fed.settling += 1;
                    self.fed.settling_with_row += u64::from(row.is_some());
                }
                _ => add.push(item.clone()),
            }
        }
        self.add(&add)
    }

    /// Adds files, as many at once as the stream has room for.
    fn add(&mut self, mut items: &[Item]) -> Result<(), Failure> {
        let longest = self.options.longest;
        let (stream, stop) = (&mut *self.stream, self.stop);
        let mut said = false;
        while !items.is_empty() && !stop.requested() {
            let length = stop.persist(|| {}, || stream.length())?;
            let room = usize::try_from(longest.saturating_sub(length)).unwrap_or(usize::MAX);
            if room == 0 {
                if !said {
                    log::info!("the stream is full ({longest} items): waiting for the workers");
                    said = true;
                }
                stop.sleep(FULL, || {});
                continue;
            }
            let (some, rest) = items.split_at(room.min(items.len()));
            stop.persist(|| {}, || stream.add(some))?;
            self.waiting.extend(some.iter().map(|item| key(&item.path)));
            self.fed.added += some.len() as u64;
            items = rest;
        }
        Ok(())
    }

    /// Writes down what this pass found, for `status`.
    fn note(&mut self) -> Result<(), Failure> {
        let (options, fed) = (self.options, self.fed);
        let source = options.source.to_string();
        // What is still being written is fed by the next pass. Now it has no place on the stream, and if it is new, no row: then
        // there is nothing that would account for it.
        let settling = fed.settling - fed.settling_with_row;
        let [files, added] = [fed.files() - settling, fed.added].map(|count| count as i64);
        ask(self.stop, self.server, &mut self.client, |client| {
            client.execute(
                "INSERT INTO feeder (site, source, machine, program, looked, files, added)
                 VALUES ($1, $2, $3, $4, now(), $5, $6)
                 ON CONFLICT (site, source) DO UPDATE SET (machine, program, looked, files, added)
                     = ROW (excluded.machine, excluded.program, excluded.looked, excluded.files, excluded.added)",
                &[
                    &options.site,
                    &source,
                    &options.machine,
                    &env!("CARGO_PKG_VERSION"),
                    &files,
                    &added,
                ],
            )
        })?;
        Ok(())
    }
}

fn keys(items: &[Item]) -> Vec<Vec<u8>> {
    items.iter().map(|item| path_key(&item.path)).collect()
}

/// Whether a file is as it was when its row was written. One that could not be read is done as long as it can't be.
fn is_done((bytes, modified, _): &Row, place: &Path) -> bool {
    let found = place.metadata().ok().map(|metadata| Stamp::of(&metadata));
    let stamp = found.map(|stamp| {
        (
            stamp.bytes as i64,
            i64::try_from(stamp.modified.as_nanosecond()).ok(),
        )
    });
    match (bytes, stamp) {
        (Some(bytes), Some(stamp)) => stamp == (*bytes, *modified),
        (None, Some(_)) => false,
        // A file that is gone is not fed again.
        (_, None) => true,
    }
}

fn is_settling(place: &Path) -> bool {
    let Ok(metadata) = place.metadata() else {
        return false;
    };
    let age = Timestamp::now() - Stamp::of(&metadata).modified;
    // By a file server's clock: what it says of the future is not waited for.
    age.total(jiff::Unit::Second)
        .is_ok_and(|age| (0.0..SETTLING.as_secs_f64()).contains(&age))
}

/// Asks PostgreSQL, and waits for it as long as it is away.
fn ask<T>(
    stop: &Stop,
    server: &Server,
    client: &mut Option<Client>,
    mut work: impl FnMut(&mut Client) -> Result<T, postgres::Error>,
) -> Result<T, Failure> {
    stop.persist(
        || {},
        || {
            let mut attempt = || -> Result<T, Fault> {
                let mut open = if let Some(open) = client.take() {
                    open
                } else {
                    let mut open = server.connect()?;
                    require_current(&mut open)?;
                    open
                };
                let done = work(&mut open)?;
                *client = Some(open);
                Ok(done)
            };
            attempt().map_err(Failure::from)
        },
    )
}

/// Why a pass over the files ended early.
enum Stopped {
    Requested,
    Failure(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Failure(Failure::io(
            "read the list of files in",
            &std::env::temp_dir(),
            &error,
        ))
    }
}

impl std::fmt::Display for Source {
    /// What was looked at, for `status`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folders { roots, .. } => {
                let roots: Vec<String> = roots
                    .iter()
                    .map(|root| {
                        let full = std::path::absolute(root).unwrap_or_else(|_| root.clone());
                        readable(&full)
                    })
                    .collect();
                write!(formatter, "{}", roots.join(" "))
            }
            Self::List(list) => write!(formatter, "list {}", readable(list)),
            Self::Table(table) => write!(formatter, "table {}", readable(table)),
        }
    }
}
