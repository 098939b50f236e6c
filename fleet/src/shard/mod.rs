//! A shard's answers: one part, the same bytes on whatever machine it is made.
//!
//! A shard is done in chunks of some files. Each becomes a small catalog beside the part, by rename; when all are there,
//! they become the part, by rename, and are removed. So a run that is killed loses one chunk for each thread at most, and
//! another machine goes on where it was. Two that run the same shard at once write the same chunks twice, and the same part.
//! One that was given up by the scheduler and goes on all the same does no harm.
//!
//! A file that can't be read may be there in a moment: network file systems are late. Its chunk is held back and tried again.
//! What can't be read then is noted in the part, and has no row.

mod assemble;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::ErrorKind;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use galmorph_catalog::ModelInUse;
use galmorph_cutout::Limits;
use galmorph_inference::{Model, Options, Precision};
use galmorph_output::readable;

use crate::Failure;
use crate::answer::{Answerer, Fate};
use crate::plan::{Item, Plan, PlannedModel, part_path};
pub(crate) use assemble::Counts;
use assemble::{count, write_chunk, write_part};

/// Answers that wait to be collected.
const QUEUE: usize = 1000;

/// Chunks that are held back at most for files that can't be read.
const HELD: usize = 16;

/// How a shard is run.
#[derive(Debug, Clone)]
pub(crate) struct RunOptions {
    /// Where parts go.
    pub(crate) parts: PathBuf,
    /// The model's file, if it is another than the plan says.
    pub(crate) model: Option<PathBuf>,
    pub(crate) workers: NonZero<usize>,
    /// How long to wait before files that could not be read are tried again.
    pub(crate) patience: Duration,
}

/// The model that a file has, as a plan or a catalog knows it.
pub(crate) fn load_model(
    file: Option<&Path>,
    arithmetic: Option<&str>,
) -> Result<(Model, PlannedModel), Failure> {
    let precision = match arithmetic {
        Some("f32") => Precision::F32,
        _ => Precision::Auto,
    };
    let options = Options {
        precision,
        ..Options::default()
    };
    let model = Model::load(file, options)?;
    let planned = PlannedModel {
        file: file.map(Path::to_owned),
        name: model.name().to_owned(),
        digest: model.digest.to_string(),
        card: model.card_in_use(),
        arithmetic: model.arithmetic().as_str().to_owned(),
    };
    Ok((model, planned))
}

/// Runs a shard. If its part is there, there is nothing to do.
pub(crate) fn run(folder: &Path, number: usize, options: &RunOptions) -> Result<Counts, Failure> {
    let plan = Plan::read(folder)?;
    if number >= plan.shards.len() {
        let folder = readable(folder);
        return Err(Failure::Usage(format!(
            "plan '{folder}' has no shard {number}: they are 0 to {}",
            plan.shards.len() - 1
        )));
    }
    let part = part_path(&options.parts, number);
    if part.exists() {
        log::info!("'{}' is there already", readable(&part));
        return count(&part);
    }
    match run_shard(&plan, folder, number, options, &part) {
        // Another machine was faster, and has removed the chunks. What it made is what this would have made.
        Err(_) if part.exists() => count(&part),
        other => other,
    }
}

fn run_shard(
    plan: &Plan,
    folder: &Path,
    number: usize,
    options: &RunOptions,
    part: &Path,
) -> Result<Counts, Failure> {
    let items = plan.manifest(folder, number)?.rest()?;
    let shard = Shard::new(plan, number, items, options)?;
    let missing = shard.missing();
    if !missing.is_empty() {
        shard.work(plan, &missing, options)?;
    }
    let counts = write_part(&shard, part)?;
    shard.clean_up();
    Ok(counts)
}

/// A shard that is being run.
struct Shard {
    items: Vec<Item>,
    /// Files in a chunk.
    size: usize,
    /// Where its chunks are.
    chunks: PathBuf,
    model: ModelInUse,
    time: jiff::Timestamp,
}

/// A chunk with what became of its files.
type Answered = (usize, Vec<Option<Fate>>);

impl Shard {
    fn new(
        plan: &Plan,
        number: usize,
        items: Vec<Item>,
        options: &RunOptions,
    ) -> Result<Self, Failure> {
        let chunks = options.parts.join(format!("chunks-{number:05}"));
        fs::create_dir_all(&chunks).map_err(|error| Failure::io("make", &chunks, &error))?;
        let digest = blake3::Hash::from_hex(&plan.model.digest)
            .map_err(|_| Failure::Unusable("the plan's digest of the model is none".to_owned()))?;
        Ok(Self {
            items,
            size: plan.chunk.max(1),
            chunks,
            model: ModelInUse {
                name: plan.model.name.clone(),
                digest,
                card: plan.model.card.clone(),
                arithmetic: plan.model.arithmetic.clone(),
            },
            time: plan.made,
        })
    }

    fn count(&self) -> usize {
        self.items.len().div_ceil(self.size)
    }

    fn path(&self, chunk: usize) -> PathBuf {
        self.chunks.join(format!("{chunk:06}.sqlite"))
    }

    fn items(&self, chunk: usize) -> &[Item] {
        let end = self.items.len().min((chunk + 1) * self.size);
        &self.items[chunk * self.size..end]
    }

    /// The chunks that are not there.
    fn missing(&self) -> Vec<usize> {
        (0..self.count())
            .filter(|chunk| !self.path(*chunk).exists())
            .collect()
    }

    /// Answers for the files of some chunks, and writes the chunks.
    fn work(&self, plan: &Plan, chunks: &[usize], options: &RunOptions) -> Result<(), Failure> {
        let file = options.model.as_deref().or(plan.model.file.as_deref());
        let (model, found) = load_model(file, Some(&plan.model.arithmetic))?;
        if (&found.digest, &found.card, &found.arithmetic)
            != (&plan.model.digest, &plan.model.card, &plan.model.arithmetic)
        {
            return Err(Failure::Unusable(format!(
                "the plan was made for model '{}' ({}, digest {}), and this is '{}' ({}, digest {})",
                plan.model.name,
                plan.model.arithmetic,
                plan.model.digest,
                found.name,
                found.arithmetic,
                found.digest
            )));
        }
        let answerer = || Answerer {
            model: &model,
            classifier: model.classifier(),
            framing: plan.framing,
            limits: Limits::default(),
            time: plan.made,
        };
        let files: Vec<usize> = chunks
            .iter()
            .flat_map(|chunk| chunk * self.size..chunk * self.size + self.items(*chunk).len())
            .collect();
        let next = AtomicUsize::new(0);
        let (fates_out, fates) = bounded(QUEUE);
        thread::scope(|scope| {
            for _ in 0..options.workers.get() {
                let fates: Sender<(usize, Fate)> = fates_out.clone();
                let (files, next, mut answerer) = (&files, &next, answerer());
                scope.spawn(move || {
                    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let item = &self.items[*file];
                        let fate = answerer.answer(item, &item.file());
                        if fates.send((*file, fate)).is_err() {
                            // The collector has met a fault.
                            return;
                        }
                    }
                });
            }
            drop(fates_out);
            self.collect(fates, answerer(), options.patience)
        })
    }

    /// Writes chunks as they become complete.
    fn collect(
        &self,
        fates: Receiver<(usize, Fate)>,
        mut again: Answerer,
        patience: Duration,
    ) -> Result<(), Failure> {
        let mut open: BTreeMap<usize, (usize, Vec<Option<Fate>>)> = BTreeMap::new();
        let mut held: VecDeque<Answered> = VecDeque::new();
        for (file, fate) in fates {
            let chunk = file / self.size;
            let size = self.items(chunk).len();
            let (left, answered) = open.entry(chunk).or_insert_with(|| {
                let none = std::iter::repeat_with(|| None).take(size);
                (size, none.collect())
            });
            answered[file % self.size] = Some(fate);
            *left -= 1;
            if *left > 0 {
                continue;
            }
            let Some((_, answered)) = open.remove(&chunk) else {
                unreachable!("it was there just now");
            };
            if answered.iter().any(|fate| is_unread(fate.as_ref())) {
                held.push_back((chunk, answered));
            } else {
                write_chunk(self, chunk, &answered)?;
            }
            if held.len() > HELD
                && let Some(oldest) = held.pop_front()
            {
                self.try_again(oldest, &mut again)?;
            }
        }
        if !held.is_empty() {
            thread::sleep(patience);
        }
        for chunk in held {
            self.try_again(chunk, &mut again)?;
        }
        Ok(())
    }

    fn try_again(
        &self,
        (chunk, mut answered): Answered,
        again: &mut Answerer,
    ) -> Result<(), Failure> {
        for (item, fate) in self.items(chunk).iter().zip(&mut answered) {
            if is_unread(fate.as_ref()) {
                *fate = Some(again.answer(item, &item.file()));
            }
        }
        write_chunk(self, chunk, &answered)
    }

    /// Removes the chunks when the part is there. What another machine still writes there is not looked at any more.
    fn clean_up(&self) {
        for chunk in 0..self.count() {
            remove(&self.path(chunk));
        }
        let Ok(entries) = fs::read_dir(&self.chunks) else {
            return;
        };
        let names = entries.flatten().map(|entry| entry.path());
        for path in names {
            remove(&path);
        }
        let _ = fs::remove_dir(&self.chunks);
    }
}

fn is_unread(fate: Option<&Fate>) -> bool {
    matches!(fate, Some(Fate::Unread(_)))
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn!("cannot remove '{}': {error}", readable(path));
        }
        _ => {}
    }
}
