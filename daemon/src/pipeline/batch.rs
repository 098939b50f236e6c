//! Groups images into batches: sent when full, or when its first image has waited long enough.
//!
//! A worker takes a batch at once, and a batch is recorded in one transaction: with `synchronous = FULL`, a
//! commit costs as much as several images. The images of a batch also share runs of the network.

use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};

/// Moves items from `input` to `output` until `input` ends, in groups of at most `size`.
pub(super) fn run<T>(input: &Receiver<T>, output: &Sender<Vec<T>>, size: usize, delay: Duration) {
    while let Ok(first) = input.recv() {
        let deadline = Instant::now() + delay;
        let mut batch = Vec::with_capacity(size);
        batch.push(first);
        let mut ended = false;
        while batch.len() < size && !ended {
            match input.recv_deadline(deadline) {
                Ok(item) => batch.push(item),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => ended = true,
            }
        }
        if output.send(batch).is_err() || ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::unbounded;
    use std::thread;

    #[test]
    fn a_batch_is_full_or_the_last() {
        let (input, items) = unbounded();
        let (output, batches) = unbounded();
        (0..7).for_each(|n| input.send(n).unwrap());
        drop(input);
        run(&items, &output, 3, Duration::from_mins(1));
        drop(output);
        let sizes: Vec<usize> = batches.iter().map(|b| b.len()).collect();
        assert_eq!(sizes, [3, 3, 1]);
    }

    #[test]
    fn an_image_alone_does_not_wait_for_others() {
        let (input, items) = unbounded();
        let (output, batches) = unbounded();
        let worker = thread::spawn(move || run(&items, &output, 3, Duration::from_millis(1)));
        input.send(1).unwrap();
        assert_eq!(batches.recv().unwrap(), [1]);
        drop(input);
        worker.join().unwrap();
    }
}
