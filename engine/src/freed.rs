//! What the C library's allocator does with memory that was freed.

/// What is smaller is kept for what comes next, as it is by itself: an image and its views are.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 1 << 20;

/// Has large pieces of memory go back to the system when they are freed, for as long as the program runs.
///
/// A model that is read, checked and planned leaves more behind than it is large. By itself the allocator keeps
/// that, after the first large piece that is freed: some 80 MB more at the most for the paper's network.
///
/// To be called before the first thread starts. Does nothing where the C library is not GNU's.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: sets two numbers of the allocator's, by its own function. It has no other effect, and says 0
        // where it knows no such number.
        #[allow(unsafe_code, reason = "a function of the C library")]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
            // What is at the end of the heap goes back from this size on; with a threshold of one's own this
            // would be 128 KiB, for each image anew.
            libc::mallopt(libc::M_TRIM_THRESHOLD, 16 * LARGE);
        }
    }
}
