//! libtorch's CUDA half: found, loaded, and what to say where that fails.
//!
//! The program is built with the CPU half. The CUDA half registers itself when it is loaded, and must do so before torch's
//! first call. It lies where `scripts/setup cuda` puts it, in a folder of a full libtorch, or on the library path; the
//! program's own run path names the first two (`build.rs`).

use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::{Cuda, utils};

/// The version of libtorch that tch is written for.
const LIBTORCH: &str = "2.11.0";

/// Why torch has no GPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoCuda {
    #[error("this machine has no NVIDIA driver (libcuda.so.1: {0})")]
    NoDriver(String),
    #[error("libtorch's CUDA half is not installed; run `scripts/setup cuda`")]
    NotInstalled,
    #[error(
        "libtorch's CUDA half can't be loaded: {0}; it must be of the version {LIBTORCH} and whole: \
         run `scripts/setup cuda`, and unset LD_LIBRARY_PATH if it names another torch"
    )]
    Unloadable(String),
    #[error(
        "'{}' is of libtorch {found}, and this program needs {LIBTORCH}",
        galmorph_output::readable(path)
    )]
    Version { path: PathBuf, found: String },
    #[error(
        "the NVIDIA driver is for CUDA {}, and libtorch needs one for CUDA {}; update the driver",
        cuda_version(*driver),
        cuda_version(*needed)
    )]
    OldDriver { driver: i32, needed: i32 },
    #[error("the NVIDIA driver can't be used: {0}")]
    Driver(String),
    #[error("torch finds no GPU")]
    NoDevice,
}

/// The number of GPUs. Call this before anything else of torch, which looks for CUDA once.
pub(super) fn devices() -> Result<usize, NoCuda> {
    let driver = Driver::load()?;
    full_precision();
    load()?;
    for (name, path) in loaded_libraries() {
        if let Some(found) = version_beside(&path).filter(|found| found != LIBTORCH) {
            log::debug!("{name} is of another version");
            return Err(NoCuda::Version { path, found });
        }
    }
    let needed = utils::version_cudart() as i32;
    if driver.version < needed / 1000 * 1000 {
        return Err(NoCuda::OldDriver {
            driver: driver.version,
            needed,
        });
    }
    if driver.started != 0 {
        return Err(NoCuda::Driver(driver_fault(driver.started)));
    }
    let count = if Cuda::is_available() {
        Cuda::device_count()
    } else {
        0
    };
    match usize::try_from(count) {
        Ok(0) | Err(_) => Err(NoCuda::NoDevice),
        Ok(count) => {
            // Views of one shape come by the thousand: it pays to try which convolution is the fastest.
            Cuda::cudnn_set_benchmark(true);
            Ok(count)
        }
    }
}

/// NVIDIA's driver.
struct Driver {
    /// The CUDA that it is for: 13000 is 13.0.
    version: i32,
    /// What its start returned; 0 is success.
    started: i32,
}

impl Driver {
    fn load() -> Result<Self, NoCuda> {
        // SAFETY: the initialisers are the driver's own. Both functions have this type in NVIDIA's cuda.h,
        // `cuInit` takes 0, and the pointer is that of an i32 which outlives the call. The library stays loaded.
        #[allow(unsafe_code)]
        unsafe {
            let library = Library::open(Some("libcuda.so.1"), RTLD_NOW)
                .map_err(|fault| NoCuda::NoDriver(fault.to_string()))?;
            let fault = |fault: libloading::Error| NoCuda::Driver(fault.to_string());
            let version_of = library
                .get::<unsafe extern "C" fn(*mut i32) -> i32>(b"cuDriverGetVersion\0")
                .map_err(fault)?;
            let start = library
                .get::<unsafe extern "C" fn(u32) -> i32>(b"cuInit\0")
                .map_err(fault)?;
            let mut version = 0;
            let asked = version_of(&raw mut version);
            if asked != 0 {
                return Err(NoCuda::Driver(driver_fault(asked)));
            }
            let started = start(0);
            std::mem::forget(library);
            Ok(Self { version, started })
        }
    }
}

/// An error of the driver's, as far as a person can do something about it (NVIDIA's cuda.h).
fn driver_fault(code: i32) -> String {
    match code {
        2 => "out of memory".into(),
        100 => "it finds no GPU".into(),
        101 => "the GPU is no valid one".into(),
        802 => "the GPU is not ready yet; its fabric manager may not run".into(),
        803 => "its library and its kernel module are of different versions; restart the machine"
            .into(),
        _ => format!("error {code}"),
    }
}

fn cuda_version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// Forbids NVIDIA's libraries to round f32 to 10 bits: f32 is f32 on every device.
fn full_precision() {
    const NAME: &str = "NVIDIA_TF32_OVERRIDE";
    if std::env::var_os(NAME).is_none() {
        // SAFETY: devices are looked for first, while this is the only thread.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var(NAME, "0");
        }
    }
}

/// Loads the CUDA half. It is never unloaded.
fn load() -> Result<(), NoCuda> {
    // SAFETY: loading runs the library's initialisers, which are torch's own and made to be run so. The
    // handle is leaked, so nothing of it is ever unloaded.
    #[allow(unsafe_code)]
    let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
    match library {
        Ok(library) => {
            std::mem::forget(library);
            Ok(())
        }
        Err(fault) => Err(of_loading(&fault.to_string())),
    }
}

/// What the loader's message means: the library is not there, or is no match for the CPU half.
fn of_loading(message: &str) -> NoCuda {
    if message.starts_with("libtorch_cuda.so: cannot open shared object file") {
        NoCuda::NotInstalled
    } else {
        NoCuda::Unloadable(message.to_owned())
    }
}

/// The two halves of libtorch, with the files that this process has loaded.
fn loaded_libraries() -> Vec<(&'static str, PathBuf)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    ["libtorch_cpu.so", "libtorch_cuda.so"]
        .into_iter()
        .filter_map(|name| {
            let mut paths = maps
                .lines()
                .filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
            let path = paths.find(|path| path.file_name().is_some_and(|file| file == name))?;
            Some((name, path.to_owned()))
        })
        .collect()
}

/// The version that stands beside a library's folder: in `build-version` of a libtorch, or in `version.py` of
/// Python's torch. `None` where there is neither.
fn version_beside(library: &Path) -> Option<String> {
    let folder = library.parent()?.parent()?;
    let of_python = || {
        let script = std::fs::read_to_string(folder.join("version.py")).ok()?;
        let mut lines = script.lines();
        let line = lines.find(|line| line.starts_with("__version__"))?;
        line.split(['\'', '"']).nth(1).map(str::to_owned)
    };
    let text = std::fs::read_to_string(folder.join("build-version"));
    let text = text.ok().or_else(of_python)?;
    let version = text.trim().split('+').next()?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_beside_the_library_of_libtorch_and_of_python() {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("lib/libtorch_cuda.so");
        assert_eq!(version_beside(&library), None);
        let python = "from typing import Optional\n__version__ = '2.9.1+cu130'\ndebug = False\n";
        std::fs::write(dir.path().join("version.py"), python).unwrap();
        assert_eq!(version_beside(&library).unwrap(), "2.9.1");
        std::fs::write(dir.path().join("build-version"), "2.11.0\n").unwrap();
        assert_eq!(version_beside(&library).unwrap(), LIBTORCH);
    }

    #[test]
    fn what_the_program_has_loaded_is_the_version_that_it_needs() {
        let libraries = loaded_libraries();
        let (name, path) = &libraries[0];
        assert_eq!(*name, "libtorch_cpu.so");
        assert_eq!(version_beside(path).unwrap(), LIBTORCH);
    }

    #[test]
    fn each_fault_says_what_to_do() {
        let missing = "libtorch_cuda.so: cannot open shared object file: No such file or directory";
        let text = of_loading(missing).to_string();
        assert!(text.contains("run `scripts/setup cuda`"), "{text}");
        let part = "libcudnn.so.9: cannot open shared object file: No such file or directory";
        let text = of_loading(part).to_string();
        assert!(
            text.contains("libcudnn.so.9") && text.contains("2.11.0"),
            "{text}"
        );
        let old = NoCuda::OldDriver {
            driver: 12040,
            needed: 13000,
        };
        let wanted = "the NVIDIA driver is for CUDA 12.4, and libtorch needs one for CUDA 13.0; update the driver";
        assert_eq!(old.to_string(), wanted);
        let other = NoCuda::Version {
            path: "/opt/torch/lib/libtorch_cpu.so".into(),
            found: "2.9.1".into(),
        };
        let wanted =
            "'/opt/torch/lib/libtorch_cpu.so' is of libtorch 2.9.1, and this program needs 2.11.0";
        assert_eq!(other.to_string(), wanted);
        assert!(driver_fault(803).contains("restart"));
    }
}
