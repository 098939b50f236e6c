//! A panic in a decoder or in a network costs one image, not the daemon.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs foreign code, or nearly so: a panic becomes a message.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_text(&*panic))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "panic: {}",
        text.unwrap_or_else(|| "without a message".into())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(catch(|| 1), Ok(1));
        let text: Result<(), _> = catch(|| panic!("a pixel too many"));
        assert_eq!(text, Err("panic: a pixel too many".into()));
        let number = 7;
        let formatted: Result<(), _> = catch(|| panic!("pixel {number}"));
        assert_eq!(formatted, Err("panic: pixel 7".into()));
    }
}
