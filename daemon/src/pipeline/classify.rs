//! Runs the network on batches. An image that the network can't answer for is rejected alone: see
//! [`classifier`](crate::classifier).

use crossbeam::channel::{Receiver, Sender};

use super::{Judged, Prepared};
use crate::catalog::Verdict;
use crate::classifier::Classifier;
use crate::heartbeat::{Activity, Pulse};

/// One thread of the pool.
pub(super) fn run(
    input: &Receiver<Vec<Prepared>>,
    output: &Sender<Vec<Judged>>,
    classifier: &mut Classifier,
    pulse: &Pulse,
) {
    for batch in input {
        let judged = batch
            .into_iter()
            .map(|image| pulse.during(Activity::Work, || judge(image, classifier)))
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
