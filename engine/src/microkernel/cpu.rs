//! What the processor has, and what the operating system lets a process use of it.
//!
//! The standard library's detection covers the vector instructions. It says nothing stable about AMX or the
//! vendor, so three questions are asked here by hand. (The crate `raw-cpuid` would save two lines of bit masks:
//! whether the system saves the tile registers, and the permission to use them, are not in CPUID.)

#![allow(unsafe_code, reason = "XGETBV, and a system call")]

/// Whether Intel made the processor.
pub(super) fn is_intel() -> bool {
    #[cfg(target_arch = "x86_64")]
    return {
        let leaf = std::arch::x86_64::__cpuid(0);
        [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes) == [*b"Genu", *b"ineI", *b"ntel"]
    };
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Whether this process can use AMX tiles of bf16. The first call asks the system for the permission.
pub(crate) fn has_amx() -> bool {
    #[cfg(target_arch = "x86_64")]
    return super::Kernel::Avx512Bf16.is_supported() && amx::is_granted();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

#[cfg(target_arch = "x86_64")]
mod amx {
    use std::arch::x86_64::{__cpuid_count, _xgetbv};
    use std::sync::LazyLock;

    /// Whether the processor has tiles of bf16, and Linux lets this process use them. Linux does so on request
    /// only, since tiles make the state that it saves for a thread 8 KiB larger.
    pub(super) fn is_granted() -> bool {
        static IS_GRANTED: LazyLock<bool> = LazyLock::new(|| is_built_in() && request_permission());
        *IS_GRANTED
    }

    /// Whether the processor has the instructions, and the system saves their registers.
    fn is_built_in() -> bool {
        // CPUID leaf 7, EDX: bit 22 is AMX-BF16, bit 24 is AMX-TILE.
        const AMX_BF16_AND_TILES: u32 = 1 << 22 | 1 << 24;
        // XCR0: bit 17 is TILECFG, bit 18 is TILEDATA.
        const TILE_STATE: u64 = 1 << 17 | 1 << 18;

        /// The register states that the system saves.
        ///
        /// # Safety
        ///
        /// The system has enabled XSAVE (CR4.OSXSAVE); else the instruction faults.
        #[target_feature(enable = "xsave")]
        unsafe fn saved_states() -> u64 {
            // SAFETY: the caller guarantees that XSAVE is enabled, and XCR0 exists wherever it is.
            unsafe { _xgetbv(0) }
        }

        if !is_x86_feature_detected!("avx512f") || !is_x86_feature_detected!("xsave") {
            return false;
        }
        if __cpuid_count(7, 0).edx & AMX_BF16_AND_TILES != AMX_BF16_AND_TILES {
            return false;
        }
        // SAFETY: the standard library detects AVX-512 only where it could read XCR0 itself, that is, where the
        // system has enabled XSAVE.
        unsafe { saved_states() & TILE_STATE == TILE_STATE }
    }

    /// Asks Linux for the permission to use tiles. It holds for all threads of the process.
    #[cfg(target_os = "linux")]
    fn request_permission() -> bool {
        const SYS_ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
        const XFEATURE_XTILEDATA: i64 = 18;
        let answer: i64;
        // SAFETY: this call reads and writes no memory of the process. The kernel overwrites rax, rcx and r11,
        // which are declared as outputs.
        unsafe {
            std::arch::asm!(
                "syscall",
                inlateout("rax") SYS_ARCH_PRCTL => answer,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") XFEATURE_XTILEDATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        answer == 0
    }

    #[cfg(not(target_os = "linux"))]
    fn request_permission() -> bool {
        false
    }
}
