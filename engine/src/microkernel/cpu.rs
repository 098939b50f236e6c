//! What the processor has, and what the operating system lets a process use of it.
//!
//! The standard library's detection covers the vector instructions. It says nothing stable about AMX or the
//! vendor, so three questions are asked here by hand. (The crate `raw-cpuid` would save two lines of bit masks:
//! whether the system saves the tile registers, and the permission to use them, are not in CPUID.)

#![allow(unsafe_code, reason = "XGETBV, and a system call")]

use super::DType;

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

/// Whether this process can use AMX tiles and multiply numbers of this type in them. The first call asks the system
/// for the permission.
pub(crate) fn has_amx(dtype: DType) -> bool {
    #[cfg(target_arch = "x86_64")]
    return amx::multiplies(dtype) && amx::is_granted();
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = dtype;
        false
    }
}

/// Whether this process can use AMX tiles at all.
pub(crate) fn has_tiles() -> bool {
    has_amx(DType::Bf16) || has_amx(DType::Int8)
}

#[cfg(target_arch = "x86_64")]
mod amx {
    use std::arch::x86_64::{__cpuid_count, _xgetbv};
    use std::sync::LazyLock;

    use super::super::{DType, Kernel};

    /// Whether the processor multiplies numbers of this type in tiles, and has the vector instructions that the
    /// epilogue needs.
    pub(super) fn multiplies(dtype: DType) -> bool {
        // CPUID leaf 7, EDX: bit 22 is AMX-BF16, bit 25 is AMX-INT8.
        let (vectors, bit) = match dtype {
            DType::F32 => return false,
            DType::Bf16 => (Kernel::Avx512Bf16, 22),
            DType::Int8 => (Kernel::Avx512, 25),
        };
        // Miri knows neither CPUID nor tiles.
        !cfg!(miri) && vectors.is_supported() && *LEAF_7_EDX & 1 << bit != 0
    }

    /// CPUID leaf 7, EDX. Hypervisors answer CPUID themselves, which takes long. To be read where AVX-512 is, and so
    /// this leaf.
    static LEAF_7_EDX: LazyLock<u32> = LazyLock::new(|| __cpuid_count(7, 0).edx);

    /// Whether the processor has tiles, and Linux lets this process use them. Linux does so on request only, since
    /// tiles make the state that it saves for a thread 8 KiB larger.
    pub(super) fn is_granted() -> bool {
        static IS_GRANTED: LazyLock<bool> = LazyLock::new(|| is_built_in() && request_permission());
        *IS_GRANTED
    }

    /// Whether the processor has the instructions, and the system saves their registers.
    fn is_built_in() -> bool {
        const AMX_TILE: u32 = 1 << 24;
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
        if *LEAF_7_EDX & AMX_TILE == 0 {
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
