//! Redis Streams, version 7 on, which Valkey has, too.
//!
//! Items that are done are deleted, so the stream's length is what is not done. Its length is never limited by the server: that
//! would drop items without a word. Who feeds looks at the length instead.

use std::time::Duration;

use redis::{Client, Cmd, Connection, ErrorKind, RedisError, RedisResult, ServerErrorKind, cmd};

use super::message::{Field, fields, item};
use super::{Delivery, Numbers, Stream, Wanted};
use crate::Failure;
use crate::plan::Item;

/// How long to wait for a connection, and for an answer.
const CONNECTING: Duration = Duration::from_secs(10);
const ANSWERING: Duration = Duration::from_secs(30);

/// The group that the workers are members of.
pub(super) const GROUP: &str = "galmorph";

/// Items that are read at once to look at them.
const PAGE: usize = 2000;

/// Abandoned items that are looked at for one that nobody else takes at the same time.
const CANDIDATES: usize = 10;

/// An entry as the server sends it.
type Entry = (String, Vec<Field>);

/// A stream's name, and entries of it.
type Entries = (String, Vec<Entry>);

/// A stream of a Redis server, and one member of its group.
pub(super) struct RedisStream {
    client: Client,
    connection: Option<Connection>,
    pub(super) key: String,
    consumer: String,
    claim: Duration,
}

impl RedisStream {
    /// Nothing is sent yet. `consumer` is a name that no other process has. What a worker holds that was not heard of for `claim` is
    /// taken over.
    pub(super) fn new(client: Client, site: &str, consumer: &str, claim: Duration) -> Self {
        Self {
            client,
            connection: None,
            key: format!("galmorph:{site}"),
            consumer: consumer.to_owned(),
            claim,
        }
    }

    /// Works with the server; a connection that failed is made anew the next time. `None` if the stream or its group was gone:
    /// then both are there again, and empty.
    pub(super) fn ask<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> RedisResult<T>,
    ) -> Result<Option<T>, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        match work(&mut connection) {
            Ok(done) => {
                self.connection = Some(connection);
                Ok(Some(done))
            }
            Err(error) if error.code() == Some("NOGROUP") => {
                log::warn!(
                    "the stream '{}' was not there; it is made anew, and is empty until it is fed",
                    self.key
                );
                make_group(&mut connection, &self.key).map_err(|error| failure(&error))?;
                self.connection = Some(connection);
                Ok(None)
            }
            Err(error) => Err(failure(&error)),
        }
    }

    fn connect(&self) -> Result<Connection, Failure> {
        let fault = |error: RedisError| failure(&error);
        let mut connection = (self.client)
            .get_connection_with_timeout(CONNECTING)
            .map_err(fault)?;
        connection
            .set_read_timeout(Some(ANSWERING))
            .map_err(fault)?;
        connection
            .set_write_timeout(Some(ANSWERING))
            .map_err(fault)?;
        match cmd("INFO").query::<String>(&mut connection) {
            Ok(info) => look(&info)?,
            // A user may be allowed nothing but the stream.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {}
            Err(error) => return Err(failure(&error)),
        }
        make_group(&mut connection, &self.key).map_err(fault)?;
        Ok(connection)
    }

    fn pending(&self, count: usize) -> Cmd {
        let mut pending = cmd("XPENDING");
        pending
            .arg(&self.key)
            .arg(GROUP)
            .arg("-")
            .arg("+")
            .arg(count);
        pending
    }

    fn take_new(&mut self, count: usize, wait: Duration) -> Result<Vec<Delivery>, Failure> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP")
            .arg(GROUP)
            .arg(&self.consumer)
            .arg("COUNT")
            .arg(count);
        if !wait.is_zero() {
            read.arg("BLOCK").arg(wait.as_millis().max(1) as u64);
        }
        read.arg("STREAMS").arg(&self.key).arg(">");
        let read: Option<Option<Vec<Entries>>> = self.ask(|connection| read.query(connection))?;
        let streams = read.flatten().unwrap_or_default();
        let entries = streams.into_iter().flat_map(|(_, entries)| entries);
        Ok(entries.map(|entry| delivery(entry, 1)).collect())
    }

    fn take_abandoned(&mut self) -> Result<Vec<Delivery>, Failure> {
        let claim = self.claim.as_millis() as u64;
        let mut abandoned = cmd("XPENDING");
        abandoned.arg(&self.key).arg(GROUP).arg("IDLE").arg(claim);
        abandoned.arg("-").arg("+").arg(CANDIDATES);
        let abandoned: Vec<(String, String, u64, u64)> = self
            .ask(|connection| abandoned.query(connection))?
            .unwrap_or_default();
        for (id, holder, _, deliveries) in abandoned {
            let mut take = cmd("XCLAIM");
            take.arg(&self.key)
                .arg(GROUP)
                .arg(&self.consumer)
                .arg(claim)
                .arg(&id);
            // Of several that ask at once, one gets it: for the others, it was heard of just now.
            let taken: Vec<Entry> = self
                .ask(|connection| take.query(connection))?
                .unwrap_or_default();
            if let Some(entry) = taken.into_iter().next() {
                log::debug!("taking {id} over from {holder}");
                return Ok(vec![delivery(entry, deliveries + 1)]);
            }
        }
        Ok(Vec::new())
    }
}

impl Stream for RedisStream {
    fn add(&mut self, items: &[Item]) -> Result<(), Failure> {
        let mut pipe = redis::pipe();
        for item in items {
            let add = pipe.cmd("XADD").arg(&self.key).arg("*");
            for (name, value) in fields(item) {
                add.arg(name).arg(value);
            }
            add.ignore();
        }
        self.ask(|connection| pipe.query::<()>(connection))
            .map(drop)
    }

    fn take(&mut self, wanted: Wanted) -> Result<Vec<Delivery>, Failure> {
        match wanted {
            Wanted::New { count, wait } => self.take_new(count, wait),
            Wanted::Abandoned => self.take_abandoned(),
        }
    }

    fn hold(&mut self, ids: &[String]) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        // Only what is still this member's: a late one is not to take back what another one has taken over.
        let mut own = self.pending(10_000);
        own.arg(&self.consumer);
        let own: Vec<(String, String, u64, u64)> = self
            .ask(|connection| own.query(connection))?
            .unwrap_or_default();
        let own: Vec<&String> = own
            .iter()
            .map(|(id, ..)| id)
            .filter(|id| ids.contains(*id))
            .collect();
        if own.is_empty() {
            return Ok(());
        }
        let mut hold = cmd("XCLAIM");
        hold.arg(&self.key)
            .arg(GROUP)
            .arg(&self.consumer)
            .arg(0)
            .arg(own)
            .arg("JUSTID");
        self.ask(|connection| hold.query::<Vec<String>>(connection))
            .map(drop)
    }

    fn acknowledge(&mut self, ids: &[String]) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("XACK").arg(&self.key).arg(GROUP).arg(ids).ignore();
        pipe.cmd("XDEL").arg(&self.key).arg(ids).ignore();
        self.ask(|connection| pipe.query::<()>(connection))
            .map(drop)
    }

    fn length(&mut self) -> Result<u64, Failure> {
        let mut length = cmd("XLEN");
        length.arg(&self.key);
        Ok(self
            .ask(|connection| length.query(connection))?
            .unwrap_or(0))
    }

    fn each(&mut self, each: &mut dyn FnMut(&Item)) -> Result<(), Failure> {
        let mut from = "-".to_owned();
        loop {
            let mut range = cmd("XRANGE");
            range
                .arg(&self.key)
                .arg(&from)
                .arg("+")
                .arg("COUNT")
                .arg(PAGE);
            let page: Vec<Entry> = self
                .ask(|connection| range.query(connection))?
                .unwrap_or_default();
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            from = format!("({last}");
            for (_, fields) in &page {
                if let Ok(item) = item(fields) {
                    each(&item);
                }
            }
        }
    }

    fn numbers(&mut self) -> Result<Numbers, Failure> {
        self.count()
    }

    /// Leaves the group, unless this member still holds something: then that is taken over from it.
    fn leave(&mut self) -> Result<(), Failure> {
        let (mut pending, mut leave) = (self.pending(1), cmd("XGROUP"));
        pending.arg(&self.consumer);
        leave
            .arg("DELCONSUMER")
            .arg(&self.key)
            .arg(GROUP)
            .arg(&self.consumer);
        self.ask(|connection| {
            let held: Vec<(String, String, u64, u64)> = pending.query(connection)?;
            if held.is_empty() {
                leave.query::<u64>(connection)?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

fn delivery((id, fields): Entry, deliveries: u64) -> Delivery {
    Delivery {
        id,
        item: item(&fields),
        deliveries,
    }
}

/// Makes the stream and its group, which begins with what is on the stream already.
fn make_group(connection: &mut Connection, key: &str) -> RedisResult<()> {
    let mut make = cmd("XGROUP");
    make.arg("CREATE")
        .arg(key)
        .arg(GROUP)
        .arg("0")
        .arg("MKSTREAM");
    match make.query::<()>(connection) {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        outcome => outcome,
    }
}

/// Looks whether the server can be relied on, by what it says of itself.
fn look(info: &str) -> Result<(), Failure> {
    let value = |name: &str| {
        let mut lines = info.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .unwrap_or("")
    };
    if value("loading") == "1" {
        return Err(Failure::Transient(
            "the stream: the server is loading its data".to_owned(),
        ));
    }
    let version = value("redis_version");
    let major: Option<u32> = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    if major.is_some_and(|major| major < 7) {
        return Err(Failure::Unusable(format!(
            "the stream: the server has version {version}, and version 7 of Redis or Valkey is needed"
        )));
    }
    let policy = value("maxmemory_policy");
    if value("maxmemory") != "0" && !matches!(policy, "" | "noeviction") {
        return Err(Failure::Unusable(format!(
            "the stream: the server drops keys when its memory is full (maxmemory-policy {policy}); it must be noeviction"
        )));
    }
    Ok(())
}

/// Why the server can't be worked with, and whether that passes.
fn failure(error: &RedisError) -> Failure {
    let text = format!("the stream: {error}");
    let passes = match error.kind() {
        ErrorKind::Io => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::ExecAbort
        ),
        _ => matches!(
            error.code(),
            Some("OOM" | "NOREPLICAS" | "MISCONF" | "BUSY" | "UNBLOCKED")
        ),
    };
    if passes {
        Failure::Transient(text)
    } else {
        Failure::Unusable(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_forgets_is_refused() {
        let info = |version: &str, memory: &str, policy: &str| {
            format!(
                "# Server\r\nredis_version:{version}\r\nloading:0\r\nmaxmemory:{memory}\r\nmaxmemory_policy:{policy}\r\n"
            )
        };
        assert!(look(&info("7.0.15", "0", "allkeys-lru")).is_ok());
        assert!(look(&info("8.1.0", "1000", "noeviction")).is_ok());
        assert!(look("").is_ok());
        let said = look(&info("7.2.4", "1000", "allkeys-lru"))
            .unwrap_err()
            .to_string();
        assert!(said.contains("must be noeviction"), "{said}");
        let said = look(&info("6.2.0", "0", "noeviction"))
            .unwrap_err()
            .to_string();
        assert!(said.contains("version 7"), "{said}");
        let loading = info("7.0.15", "0", "noeviction").replace("loading:0", "loading:1");
        assert!(matches!(look(&loading), Err(Failure::Transient(_))));
    }
}
