//! Runs the network on batches. An image that the network can't answer for is rejected alone: see
//! [`classifier`](crate::classifier).

use crossbeam::channel::{Receiver, Sender};

use super::{Judged, Prepared};
use crate::catalog::Verdict;
use crate::classifier::Classifier;
use crate::heartbeat::{Activity, Pulse};
use crate::progress::{Observer, Stage, timed};

/// One thread of the pool.
pub(super) fn run(
    input: &Receiver<Vec<Prepared>>,
    output: &Sender<Vec<Judged>>,
    classifier: &mut Classifier,
    pulse: &Pulse,
    observer: &dyn Observer,
) {
    for batch in input {
        let judged = batch
            .into_iter()
            .map(|image| {
                let judge = || timed(observer, Stage::Classify, || judge(image, classifier));
                pulse.during(Activity::Work, judge)
            })
            .collect();
        if output.send(judged).is_err() {
            return;
        }
    }
}

fn judge(image: Prepared, classifier: &mut Classifier) -> Judged {
    let Prepared {
        taken,
        mut entry,
        views,
    } = image;
    entry.verdict = match classifier.classify(&views) {
        Ok(answer) => Verdict::Classified(answer),
        Err(refusal) => Verdict::rejected(refusal.kind(), &refusal.to_string()),
    };
    Judged { taken, entry }
}
