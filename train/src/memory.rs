//! What the program asks of the C library's allocator, from which libtorch takes its tensors.

/// Has memory that was freed kept for what is allocated next, until the program ends.
///
/// A step's activations are tensors of many megabytes. As the allocator comes, each is mapped anew, and the
/// system clears its pages: 0.4 of the time of a training step. The most memory that a run takes grows by
/// some 5 to 25 %, since what is kept doesn't always fit what is wanted.
///
/// To be called before the first thread starts. Does nothing where the C library is not GNU's.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: sets two numbers of the allocator's, by its own function.
        #[allow(unsafe_code)]
        let accepted = unsafe {
            // -1 is the documented value for "never".
            libc::mallopt(libc::M_MMAP_MAX, 0) & libc::mallopt(libc::M_TRIM_THRESHOLD, -1)
        };
        if accepted == 0 {
            log::debug!("the allocator goes on to give memory back");
        }
    }
}
