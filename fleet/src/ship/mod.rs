//! What changes in a machine's catalog, to PostgreSQL.
//!
//! A machine's catalog has no change counter: rows are overwritten, and the times in them come from a clock that may be set
//! back. So neither ids nor times say what is new. What does is the rows themselves. They are taken in *blocks*: a
//! thousand neighbouring ids. The digest of each block that is in PostgreSQL is kept there, in the transaction that wrote
//! its rows. A block whose digest is another one is written again; rows that are the same are left alone.
//!
//! New rows have new ids, so they are in the last blocks. Those are looked at whenever the catalog has changed, within a
//! second. All blocks are looked at when `ship` starts and once in a while, which finds what was overwritten.
//!
//! **One ship at a time.** Who starts takes the next session number of its source, and each transaction looks whether
//! it is still the last one. So a ship that was stalled, or cut off, and wakes up with what it read an hour ago writes
//! nothing.
//!
//! **Anything may end anywhere.** The state is in the server alone; what a lost connection did or didn't commit is read from
//! there.
//!
//! | file | |
//! |---|---|
//! | `blocks` | the catalog, block by block |
//! | `session` | a connection that is the only one to write for its source |

mod blocks;
mod session;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use galmorph_catalog::Reader;
use galmorph_output::readable;

use crate::Failure;
use crate::server::{Fault, Server};
use blocks::Scope;
pub(crate) use blocks::Shipped;
use session::Session;

/// The shortest and the longest pause before a server that is away is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How often the catalog is looked at.
const POLL: Duration = Duration::from_secs(1);

/// What is shipped.
#[derive(Debug, Clone)]
pub(crate) struct ShipOptions {
    pub(crate) catalog: PathBuf,
    /// The machine's name.
    pub(crate) site: String,
    /// Which of its catalogs, if it has several.
    pub(crate) name: String,
    /// Ship what is there, and end.
    pub(crate) once: bool,
    /// How often all blocks are looked at.
    pub(crate) sweep: Duration,
    /// Whether another catalog may take the place of the one that was shipped before.
    pub(crate) replace: bool,
}

/// Ships until it is ended; with `once`, until what is there now is shipped.
pub(crate) fn ship(server: &Server, options: &ShipOptions) -> Result<Shipped, Failure> {
    let mut follower = Follower {
        server,
        options,
        shipped: Shipped::default(),
        replace: options.replace,
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let before = follower.shipped;
        match follower.follow() {
            Ok(()) => return Ok(follower.shipped),
            Err(fault) => {
                let what = fault.passing()?;
                if follower.shipped != before {
                    pause = FIRST_PAUSE;
                }
                log::warn!("{what}; trying again in {} s", pause.as_secs());
                thread::sleep(pause);
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }
}

struct Follower<'a> {
    server: &'a Server,
    options: &'a ShipOptions,
    shipped: Shipped,
    replace: bool,
}

impl Follower<'_> {
    /// Follows the catalog over one connection.
    fn follow(&mut self) -> Result<(), Fault> {
        let path = &self.options.catalog;
        let reader = Reader::open_current(path)?;
        let place = place_of(path)?;
        let mut client = self.server.connect()?;
        crate::server::require_current(&mut client)?;
        let mut session = Session::begin(client, &reader, self.options, self.replace)?;
        // It is the one that was shipped before, from now on.
        self.replace = false;
        let mut seen = None;
        let mut swept: Option<(i64, Instant)> = None;
        loop {
            // Before the rows are read: what changes meanwhile is seen the next time.
            let version = reader.data_version()?;
            let scope = match swept {
                None => Some(Scope::All),
                Some((at, when)) if at != version && when.elapsed() >= self.options.sweep => {
                    Some(Scope::All)
                }
                _ if seen != Some(version) => Some(Scope::Last),
                _ => None,
            };
            if let Some(scope) = scope {
                let shipped = blocks::pass(&reader, &mut session, scope, &mut self.shipped)?;
                if shipped > 0 {
                    log::info!("shipped {shipped} rows of '{}'", readable(path));
                }
                seen = Some(version);
                if scope == Scope::All {
                    swept = Some((version, Instant::now()));
                }
            }
            if self.options.once {
                return Ok(());
            }
            thread::sleep(POLL);
            if place_of(path)? != place {
                // The connection has the one that was there before.
                return Err(Failure::Transient(format!(
                    "catalog '{}' was replaced",
                    readable(path)
                ))
                .into());
            }
        }
    }
}

/// What tells a file from another one of its name.
fn place_of(path: &Path) -> Result<(u64, u64), Failure> {
    let metadata = path.metadata().map_err(|error| {
        Failure::Transient(format!("cannot look at '{}': {error}", readable(path)))
    })?;
    Ok((metadata.dev(), metadata.ino()))
}
