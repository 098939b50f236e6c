//! The loop of a worker: what it takes, and when that is done.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};
use galmorph_output::visible;

use super::batch::{Batch, Taken};
use super::counts::Counts;
use super::database::Database;
use super::hand::{hold, persist};
use super::late::LateFiles;
use super::transaction::NewRow;
use super::verdict::{Verdict, verdict};
use super::{Job, MOST_DELIVERIES, Outcome, WorkOptions};
use crate::Failure;
use crate::server::path_key;
use crate::stop::Stop;
use crate::stream::{Delivery, Stream, Wanted};

/// How long a new item is waited for before the worker looks at other things.
const WAIT: Duration = Duration::from_secs(1);

/// How often a worker that has nothing to write says that it is there.
const BEAT: Duration = Duration::from_secs(10);

/// Files that can't be read yet, at most. With more, nothing new is taken.
const MOST_LATE: usize = 1000;

/// See the module.
pub(super) struct Desk<'a> {
    database: Database<'a>,
    stream: &'a mut dyn Stream,
    jobs: Sender<Job>,
    outcomes: Receiver<(u64, usize, Outcome)>,
    options: &'a WorkOptions,
    stop: &'a Stop,
    /// The ids of all that this worker holds.
    hand: BTreeSet<String>,
    in_flight: VecDeque<Batch>,
    late: LateFiles,
    numbers: u64,
    counts: Counts,
    noted: (Instant, u64),
    rate: f64,
    looked: Option<Instant>,
    held: Instant,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        database: Database<'a>,
        stream: &'a mut dyn Stream,
        jobs: Sender<Job>,
        outcomes: Receiver<(u64, usize, Outcome)>,
        options: &'a WorkOptions,
        stop: &'a Stop,
    ) -> Self {
        Self {
            database,
            stream,
            jobs,
            outcomes,
            options,
            stop,
            hand: BTreeSet::new(),
            in_flight: VecDeque::new(),
            late: LateFiles::default(),
            numbers: 0,
            counts: Counts::default(),
            noted: (Instant::now(), 0),
            rate: 0.0,
            looked: None,
            held: Instant::now(),
        }
    }

    pub(super) fn run(mut self) -> Result<Counts, Failure> {
        self.note(false)?;
        loop {
            if !self.stop.requested() {
                self.take_over()?;
                // The second is answered while the first is committed.
                while self.in_flight.len() < 2 && self.take()? {}
            }
            match self.in_flight.pop_front() {
                Some(batch) => self.complete(batch)?,
                None if self.stop.requested() => break,
                None if self.options.drain && self.late.len() == 0 && self.is_drained()? => break,
                None => {}
            }
            if self.noted.0.elapsed() >= BEAT {
                self.note(false)?;
            }
            self.hold_if_due();
        }
        self.note(true)?;
        Ok(self.counts)
    }

    /// Says that this worker is there, before anybody takes it for gone.
    fn hold_if_due(&mut self) {
        if self.held.elapsed() >= self.options.claim / 4 {
            self.held = Instant::now();
            hold(self.stream, &self.hand);
        }
    }

    /// Takes what workers that are gone held: one at a time, with nothing else in hand that could go down with it.
    fn take_over(&mut self) -> Result<(), Failure> {
        let pause = self.options.claim / 8;
        if self.looked.is_some_and(|looked| looked.elapsed() < pause) {
            return Ok(());
        }
        while !self.stop.requested() {
            if let Some(batch) = self.in_flight.pop_front() {
                self.complete(batch)?;
                continue;
            }
            let found = self.ask_for(Wanted::Abandoned)?;
            if found.is_empty() {
                self.looked = Some(Instant::now());
                return Ok(());
            }
            let found = found.into_iter().map(|delivery| (delivery, None)).collect();
            self.dispatch(found)?;
        }
        Ok(())
    }

    /// Takes the next batch: files that are late first. Returns whether there was something to take.
    fn take(&mut self) -> Result<bool, Failure> {
        let due = self.late.due(self.options.batch);
        if !due.is_empty() {
            let due = due
                .into_iter()
                .map(|(delivery, since)| (delivery, Some(since)));
            self.dispatch(due.collect())?;
            return Ok(true);
        }
        let wait = if self.in_flight.is_empty() {
            self.late.wait().map_or(WAIT, |late| late.min(WAIT))
        } else {
            Duration::ZERO
        };
        if self.late.len() >= MOST_LATE {
            self.stop.sleep(wait, || {});
            return Ok(false);
        }
        let count = self.options.batch;
        let found = self.ask_for(Wanted::New { count, wait })?;
        let is_some = !found.is_empty();
        let found = found.into_iter().map(|delivery| (delivery, None)).collect();
        self.dispatch(found)?;
        Ok(is_some)
    }

    /// Has items answered.
    fn dispatch(&mut self, found: Vec<(Delivery, Option<Instant>)>) -> Result<(), Failure> {
        let mut taken = Vec::new();
        let mut no_items = Vec::new();
        for (delivery, late_since) in found {
            match &delivery.item {
                Ok(item) => {
                    self.hand.insert(delivery.id.clone());
                    taken.push(Taken {
                        key: path_key(&item.path),
                        delivery,
                        late_since,
                        before: None,
                        outcome: None,
                    });
                }
                Err(fault) => {
                    log::error!("message {} is left out: {}", delivery.id, visible(fault));
                    no_items.push(delivery.id);
                }
            }
        }
        self.acknowledge(&no_items)?;
        if taken.is_empty() {
            return Ok(());
        }
        let keys: Vec<&Vec<u8>> = taken.iter().map(|taken| &taken.key).collect();
        let standing = persist(
            (self.stop, self.stream, &self.hand),
            &mut self.database,
            |database| database.run(|session| session.standings(&keys)),
        )?;
        self.numbers += 1;
        let mut open = 0;
        for (at, taken) in taken.iter_mut().enumerate() {
            taken.before = standing.get(&taken.key).cloned();
            let Ok(item) = &taken.delivery.item else {
                unreachable!("the others were left out")
            };
            if taken.delivery.deliveries > MOST_DELIVERIES {
                log::error!("'{}' is given up", visible(&item.path));
                continue;
            }
            let Some(place) = self.options.roots.place(&item.file()) else {
                log::error!(
                    "'{}' is in none of this worker's folders",
                    visible(&item.path)
                );
                continue;
            };
            let job = Job {
                batch: self.numbers,
                at,
                item: item.clone(),
                place,
                standing: taken.before.clone(),
            };
            self.jobs.send(job).map_err(|_| ended())?;
            open += 1;
        }
        self.in_flight.push_back(Batch {
            number: self.numbers,
            taken,
            open,
        });
        Ok(())
    }

    /// Waits for the answers of a batch, commits, and acknowledges.
    fn complete(&mut self, mut batch: Batch) -> Result<(), Failure> {
        while batch.open > 0 {
            let outcome = self.outcomes.recv();
            // Something was answered. A worker that is stuck with a file doesn't come here, and is taken over from.
            self.hold_if_due();
            let (number, at, outcome) = outcome.map_err(|_| ended())?;
            let of = if number == batch.number {
                &mut batch
            } else {
                let mut others = self.in_flight.iter_mut();
                others
                    .find(|other| other.number == number)
                    .expect("an answer belongs to a batch in flight")
            };
            of.taken[at].outcome = Some(outcome);
            of.open -= 1;
        }
        let mut rows: HashMap<Vec<u8>, NewRow> = HashMap::new();
        let mut done: Vec<(String, Vec<u8>)> = Vec::new();
        let mut known = Vec::new();
        for mut taken in batch.taken {
            let verdict = verdict(&mut taken, self.options);
            let (id, key) = (taken.delivery.id.clone(), taken.key.clone());
            let values = match verdict {
                Verdict::Known => {
                    known.push(key.clone());
                    None
                }
                Verdict::Row(values) => Some((values, false)),
                Verdict::GivenUp(values) => Some((values, true)),
                Verdict::Late => {
                    self.late.push(taken.delivery, taken.late_since);
                    continue;
                }
                Verdict::Left => {
                    self.hand.remove(&id);
                    continue;
                }
            };
            if let Some((values, is_given_up)) = values {
                let row = NewRow {
                    key: key.clone(),
                    values,
                    before: taken.before,
                    is_given_up,
                };
                rows.insert(key.clone(), row);
            }
            done.push((id, key));
        }
        let rows: Vec<NewRow> = rows.into_values().collect();
        let rate = self.rate;
        let written = persist(
            (self.stop, self.stream, &self.hand),
            &mut self.database,
            |database| database.run(|session| session.write(&rows, &known, rate)),
        )?;
        self.counts += written.counts;
        let mut ids = Vec::with_capacity(done.len());
        for (id, key) in done {
            if written.overtaken.contains(&key) {
                // It comes again, unless whoever overtook it had it from the same message.
                self.hand.remove(&id);
            } else {
                ids.push(id);
            }
        }
        self.acknowledge(&ids)?;
        for id in &ids {
            self.hand.remove(id);
        }
        Ok(())
    }

    fn acknowledge(&mut self, ids: &[String]) -> Result<(), Failure> {
        self.ask_stream(|stream| stream.acknowledge(ids))
    }

    fn is_drained(&mut self) -> Result<bool, Failure> {
        Ok(self.ask_stream(|stream| stream.length())? == 0)
    }

    /// Takes items, unless the end is requested.
    fn ask_for(&mut self, wanted: Wanted) -> Result<Vec<Delivery>, Failure> {
        let stop = self.stop;
        self.ask_stream(|stream| {
            if stop.requested() {
                Ok(Vec::new())
            } else {
                stream.take(wanted)
            }
        })
    }

    /// Works with the stream, and waits for it as long as it is away.
    fn ask_stream<T>(
        &mut self,
        mut work: impl FnMut(&mut dyn Stream) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let stream = &mut *self.stream;
        self.stop.persist(|| {}, || work(stream))
    }

    fn note(&mut self, is_end: bool) -> Result<(), Failure> {
        let (when, before) = self.noted;
        let seconds = when.elapsed().as_secs_f64();
        if seconds >= 1.0 {
            self.rate = (self.counts.all() - before) as f64 / seconds;
        }
        self.noted = (Instant::now(), self.counts.all());
        let rate = self.rate;
        persist(
            (self.stop, self.stream, &self.hand),
            &mut self.database,
            |database| database.run(|session| session.note(rate, is_end)),
        )
    }
}

fn ended() -> Failure {
    Failure::Internal("the threads that answer have ended".to_owned())
}
