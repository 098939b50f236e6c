//! What PostgreSQL has of files, and the connection to it.

use std::collections::HashMap;

use galmorph_catalog::{CopiedModel, Stamp};
use jiff::Timestamp;
use postgres::types::ToSql;
use postgres::{Client, GenericClient, Statement};

use super::Counts;
use super::prepared::Prepared;
use crate::Failure;
use crate::plan::PlannedModel;
use crate::server::{Columns, Fault, Server, Statements, model_number, require_current};

/// The name of the source that all workers of a site write for.
pub(crate) const SOURCE: &str = "stream";

/// What PostgreSQL has of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// Another one for each time that the row is written.
    pub(super) version: String,
    pub(super) first_seen: Timestamp,
    pub(super) bytes: Option<i64>,
    /// In nanoseconds since 1970.
    pub(super) modified: Option<i64>,
    pub(super) digest: Option<Vec<u8>>,
    /// The model of its answer; `None` for a rejected file.
    pub(super) model: Option<i32>,
    pub(super) is_rejected: bool,
    /// Whether an answer of this worker's model to its content, in its rendering, is kept beside.
    has_own: bool,
    pub(super) rendering: Option<String>,
}

impl Standing {
    /// Whether it is what became of the file with this stamp, with this model; or beside it, for who answers there.
    pub(super) fn is_of(&self, stamp: Stamp, model: i32, is_beside: bool) -> bool {
        let modified = i64::try_from(stamp.modified.as_nanosecond()).ok();
        self.bytes == i64::try_from(stamp.bytes).ok()
            && self.modified.is_some()
            && self.modified == modified
            && (self.is_rejected || self.model == Some(model) || (is_beside && self.has_own))
    }
}

/// What stands, by the keys of the paths.
pub(super) type Standings = HashMap<Vec<u8>, Standing>;

/// What stands of these paths of a site.
pub(super) fn standings(
    client: &mut impl GenericClient,
    find: &Statement,
    site: &str,
    keys: &[&Vec<u8>],
    model: i32,
) -> Result<Standings, postgres::Error> {
    let rows = client.query(find, &[&site, &keys, &model])?;
    let standing = |row: &postgres::Row| {
        let standing = Standing {
            version: row.get(1),
            first_seen: row.get(2),
            bytes: row.get(3),
            modified: row.get(4),
            digest: row.get(5),
            model: row.get(6),
            is_rejected: row.get(7),
            has_own: row.get(8),
            rendering: row.get(9),
        };
        (row.get(0), standing)
    };
    Ok(rows.iter().map(standing).collect())
}

/// Which worker this is.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) site: String,
    pub(super) name: String,
    pub(super) machine: String,
    pub(super) started: Timestamp,
    /// Whether its answers are kept beside those that are shown.
    pub(super) is_beside: bool,
}

/// The server, with a connection that is made when it is needed.
pub(super) struct Database<'a> {
    server: &'a Server,
    model: &'a PlannedModel,
    who: Who,
    session: Option<Session>,
}

impl<'a> Database<'a> {
    pub(super) fn new(server: &'a Server, model: &'a PlannedModel, who: Who) -> Self {
        Self {
            server,
            model,
            who,
            session: None,
        }
    }

    /// Works with the server; after a fault, over a new connection the next time.
    pub(super) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T, Fault>,
    ) -> Result<T, Failure> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::begin(self.server, self.model, self.who.clone())?,
        };
        let done = work(&mut session)?;
        self.session = Some(session);
        Ok(done)
    }
}

/// A connection that rows are written over.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) who: Who,
    pub(super) source: i32,
    pub(super) model: i32,
    pub(super) files: Columns,
    pub(super) other_answers: Columns,
    pub(super) prepared: Prepared,
}

impl Session {
    fn begin(server: &Server, model: &PlannedModel, who: Who) -> Result<Self, Fault> {
        let mut client = server.connect()?;
        require_current(&mut client)?;
        let make = "INSERT INTO source (site, name, catalog) VALUES ($1, $2, $2) ON CONFLICT (site, name) DO NOTHING";
        client.execute(make, &[&who.site, &SOURCE])?;
        let find = "SELECT id FROM source WHERE site = $1 AND name = $2";
        let source = client.query_one(find, &[&who.site, &SOURCE])?.get(0);
        let model = CopiedModel {
            id: 0,
            name: model.name.clone(),
            digest: model.digest.clone(),
            card: model.card.clone(),
            first_used: Timestamp::now().to_string(),
            arithmetic: Some(model.arithmetic.clone()),
        };
        let model = model_number(&mut client, &model)?;
        let files = Columns::of_files();
        let other_answers = Columns::of_other_answers();
        let statements = Statements::new(&files, &other_answers);
        client.batch_execute(&statements.make_batches)?;
        // A worker that is stalled in a transaction is not to hold others up; and as in ship, a loop over a batch for each row
        // of a table would take for ever. A plan that is made once for all batches is that of an empty table.
        client.batch_execute(
            "SET idle_in_transaction_session_timeout = '10s'; SET enable_nestloop = off; SET plan_cache_mode = force_custom_plan",
        )?;
        let prepared = Prepared::new(&mut client, &statements)?;
        Ok(Self {
            client,
            who,
            source,
            model,
            files,
            other_answers,
            prepared,
        })
    }

    /// The number of the model there.
    pub(super) fn model(&self) -> i32 {
        self.model
    }

    /// What stands of these paths.
    pub(super) fn standings(&mut self, keys: &[&Vec<u8>]) -> Result<Standings, Fault> {
        Ok(standings(
            &mut self.client,
            &self.prepared.standing,
            &self.who.site,
            keys,
            self.model,
        )?)
    }

    /// Says that this worker is there, or that it has ended.
    pub(super) fn note(&mut self, rate: f64, is_end: bool) -> Result<(), Fault> {
        Ok(note(
            &mut self.client,
            &self.prepared.note,
            &self.who,
            self.model,
            &Counts::default(),
            rate,
            is_end,
        )?)
    }
}

/// Says that this worker is there, and adds to what it did. A commit whose answer was lost has added its part.
pub(super) fn note(
    client: &mut impl GenericClient,
    statement: &Statement,
    who: &Who,
    model: i32,
    counts: &Counts,
    rate: f64,
    is_end: bool,
) -> Result<(), postgres::Error> {
    let [answered, rejected, known, given_up] = [
        counts.answered,
        counts.rejected,
        counts.known,
        counts.given_up,
    ]
    .map(|count| count as i64);
    let values: [&(dyn ToSql + Sync); 12] = [
        &who.site,
        &who.name,
        &who.machine,
        &env!("CARGO_PKG_VERSION"),
        &model,
        &who.started,
        &is_end,
        &answered,
        &rejected,
        &known,
        &given_up,
        &rate,
    ];
    client.execute(statement, &values).map(drop)
}
