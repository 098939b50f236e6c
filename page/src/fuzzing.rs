//! Properties that must hold for any bytes: the fuzz target `selection`, and a test.

use crate::selection::{Query, Selection};

/// A selection is understood, and leads back to itself by its address, or is refused in one line. Returns whether it was
/// understood.
pub fn selection(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match Query::parse(&text).and_then(Selection::of) {
        Ok(read) => {
            let again = Query::parse(&read.address()).and_then(Selection::of);
            let again = again.expect("an address that the page writes is one that it reads");
            assert_eq!(again.address(), read.address());
            true
        }
        Err(fault) => {
            assert!(!fault.is_empty() && !fault.contains('\n'), "{fault:?}");
            false
        }
    }
}
