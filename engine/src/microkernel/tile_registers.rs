//! The tile registers of AMX, and who may use them.
//!
//! ```text
//!                          weights of 16 units
//!                   .---- 16 channels ----.---- 16 channels ----.
//!   inputs          |        tmm6         |        tmm7         |
//!   of 16 units     '---------------------'---------------------'
//!  .-----------.    .---------------------.---------------------.
//!  | 16 pixels |    |        sums         |        sums         |     one step: 4 tiles are loaded,
//!  |   tmm4    |    |        tmm0         |        tmm1         |     and each sum gets 32 products
//!  :-----------:    :---------------------:---------------------:     of bf16, or 64 of bytes
//!  | 16 pixels |    |        sums         |        sums         |
//!  |   tmm5    |    |        tmm2         |        tmm3         |
//!  '-----------'    '---------------------'---------------------'
//! ```
//!
//! A tile is 16 rows of 64 bytes: 16 units of 16 pixels, 16 channels of 16 units, or 16 x 16 sums in f32 or i32. Its
//! rows are equally far apart in memory. Where the windows of 16 pixels are not, they are copied into a panel
//! first (im2col).

use std::cell::Cell;
use std::marker::PhantomData;

#[cfg(target_arch = "x86_64")]
use super::cpu::{has_amx, has_tiles};
use super::gemm::TileGemm;

/// The rows of a tile, and its columns of 4 bytes.
pub(crate) const SIDE: usize = 16;

/// Pixels of a block of sums.
pub(crate) const MR: usize = 2 * SIDE;

/// Output channels of a block of sums.
pub(crate) const NR: usize = 2 * SIDE;

/// Units along k that one step multiplies.
pub(crate) const K_STEP: usize = SIDE;

thread_local! {
    /// Whether this thread has configured its tile registers.
    static IS_CONFIGURED: Cell<bool> = const { Cell::new(false) };
}

/// The tile registers of this thread, configured as eight whole tiles.
///
/// There is at most one of these on a thread, since dropping it releases the registers; and it stays on its
/// thread (it is not `Send`), since the registers are the thread's own.
#[derive(Debug)]
pub(crate) struct TileRegisters {
    not_send: PhantomData<*const ()>,
}

impl TileRegisters {
    /// Configures the registers.
    ///
    /// # Panics
    ///
    /// Panics if this thread has configured them already, or if the processor has none.
    #[allow(clippy::panic, reason = "documented above")]
    pub(crate) fn configure() -> Self {
        assert!(
            !IS_CONFIGURED.replace(true),
            "this thread uses its tile registers already"
        );
        // From here on, dropping it undoes what was done, also where the following panics.
        let registers = Self {
            not_send: PhantomData,
        };
        #[cfg(target_arch = "x86_64")]
        if has_tiles() {
            super::amx::configure();
            return registers;
        }
        // This crate's own tests emulate tiles (`emulated.rs`).
        if cfg!(test) {
            return registers;
        }
        panic!("this processor has no tiles")
    }

    /// Computes a product.
    ///
    /// # Panics
    ///
    /// Panics if the lengths of the arguments don't fit each other.
    #[allow(clippy::unused_self, reason = "it proves that they are configured")]
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(unused_variables, reason = "no other processor has tiles")
    )]
    pub(crate) fn multiply(&self, gemm: &mut TileGemm<'_>) {
        #[cfg(target_arch = "x86_64")]
        if has_amx(gemm.dtype()) {
            // SAFETY: `configure` made `self`, on this thread since it is not `Send`. The registers are
            // released only when a `TileRegisters` is dropped, and no second one is on this thread. The processor
            // multiplies this type.
            #[allow(unsafe_code, reason = "tile instructions")]
            return unsafe { super::amx::multiply(gemm) };
        }
        #[cfg(test)]
        super::emulated::multiply(gemm);
        #[cfg(not(test))]
        unreachable!("no kernel is made where its tiles are not supported");
    }
}

impl Drop for TileRegisters {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if has_tiles() {
            super::amx::release();
        }
        IS_CONFIGURED.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_configures_its_registers_once_at_a_time() {
        for _ in 0..2 {
            let registers = TileRegisters::configure();
            assert!(std::panic::catch_unwind(TileRegisters::configure).is_err());
            // Those of another thread are its own.
            std::thread::spawn(TileRegisters::configure_and_release)
                .join()
                .unwrap();
            drop(registers);
        }
    }

    impl TileRegisters {
        fn configure_and_release() {
            drop(Self::configure());
        }
    }
}
