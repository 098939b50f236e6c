//! The clock of these measurements.

use rustix::time::{ClockId, clock_gettime};

/// Processor time of this thread, in seconds.
pub(crate) fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
