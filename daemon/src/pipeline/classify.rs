//! Runs the network on batches. An image that the network can't answer for is rejected alone; the
//! classifier of `galmorph-inference` takes care of that.

use crossbeam::channel::{Receiver, Sender};

use super::{Judged, Prepared};
use crate::observe::watchdog::{Activity, ThreadMark};
use crate::observe::{Observer, Stage, timed};
use galmorph_catalog::Verdict;
use galmorph_inference::{Classifier, Outcome};

/// One thread of the pool.
pub(super) fn run(
    input: &Receiver<Vec<Prepared>>,
    output: &Sender<Vec<Judged>>,
    classifier: &mut Classifier,
    mark: &ThreadMark,
    observer: &dyn Observer,
) {
    for batch in input {
        let mut group = classifier.group(batch.iter().map(|image| &*image.views));
        while group.is_open() {
            let run = || timed(observer, Stage::Classify, || group.run());
            let views = mark.during(Activity::Work, run);
            observer.ran(views);
        }
        let outcomes: Vec<Outcome> = group.outcomes().collect();
        let judged = batch.into_iter().zip(outcomes).map(judged).collect();
        if output.send(judged).is_err() {
            return;
        }
    }
}

fn judged((image, outcome): (Prepared, Outcome)) -> Judged {
    let Prepared {
        taken, mut entry, ..
    } = image;
    entry.verdict = match outcome {
        Ok(answer) => {
            entry.novelty = answer.novelty;
            entry.prediction_set = answer.set;
            entry.camera = answer.camera;
            Verdict::Classified(answer.probabilities)
        }
        Err(refusal) => Verdict::rejected(refusal.reason(), &refusal.to_string()),
    };
    Judged { taken, entry }
}
