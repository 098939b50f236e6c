//! The mark of the last commit, by which the daemon knows its catalog again.
//!
//! SQLite's own change counter stands still in WAL mode. So each commit of the daemon writes down which run of
//! the daemon it was of, and its number. What was there before a commit, or comes from elsewhere, has another mark,
//! whether it was brought by SQLite (`.restore`) or written over the file.
//!
//! The table is made by the first commit of a daemon. It is no part of the schema: only a catalog that a daemon
//! writes to needs it.

use rusqlite::{Connection, OptionalExtension as _, params};

/// The table, which has one row.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS last_commit (id INTEGER PRIMARY KEY CHECK (id = 1), mark BLOB NOT NULL)";

/// Which commit was the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// A random number of the daemon's run.
    pub(crate) run: i64,
    /// How many commits there were in it.
    pub(crate) commits: u64,
}

/// Where a mark is found in the file: the page of its table, counted from 1.
pub(crate) type Root = u32;

impl Mark {
    /// The mark in a database, as SQLite finds it, and the page on which it is.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<(Option<Root>, Option<Self>)> {
        let root = connection
            .prepare_cached(
                "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = 'last_commit'",
            )?
            .query_row([], |row| row.get(0))
            .optional()?;
        if root.is_none() {
            return Ok((None, None));
        }
        let bytes: Option<Vec<u8>> = connection
            .prepare_cached("SELECT mark FROM last_commit")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok((root, bytes.and_then(|bytes| Self::of(&bytes))))
    }

    /// Writes it into a database. To be called in the transaction of the commit.
    pub(crate) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        connection.prepare_cached(TABLE)?.execute([])?;
        connection
            .prepare_cached(
                "INSERT INTO last_commit (id, mark) VALUES (1, ?1)
                 ON CONFLICT (id) DO UPDATE SET mark = excluded.mark",
            )?
            .execute(params![self.bytes()])
            .map(drop)
    }

    /// The mark on a page of the file: a leaf of a table, with one row
    /// (<https://www.sqlite.org/fileformat2.html#b_tree_pages>). `None` for every other page.
    pub(crate) fn on_page(page: &[u8]) -> Option<Self> {
        /// The bytes before the blob: the length of what follows, the row's number, the length of the types, and
        /// the types: NULL for the number, and a blob of 16 bytes.
        const BEFORE: [u8; 5] = [19, 1, 3, 0, 44];
        let is_leaf_of_one = page.first() == Some(&13) && page.get(3..5) == Some(&[0, 1]);
        let place = page.get(8..10).filter(|_| is_leaf_of_one)?;
        let row = page.get(usize::from(u16::from_be_bytes([place[0], place[1]]))..)?;
        Self::of(row.strip_prefix(&BEFORE)?.get(..16)?)
    }

    /// Whether a catalog that had this mark now has `found` by nothing but commits of this run.
    pub(crate) fn may_become(before: Option<Self>, found: Option<Self>, run: i64) -> bool {
        found == before
            || found.is_some_and(|found| {
                found.run == run
                    && before
                        .is_none_or(|before| before.run != run || found.commits > before.commits)
            })
    }

    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.run.to_be_bytes());
        bytes[8..].copy_from_slice(&self.commits.to_be_bytes());
        bytes
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (run, commits) = bytes.split_at_checked(8)?;
        Some(Self {
            run: i64::from_be_bytes(run.try_into().ok()?),
            commits: u64::from_be_bytes(commits.try_into().ok()?),
        })
    }
}
