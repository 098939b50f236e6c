//! The device that torch computes on.

use std::fmt;
use std::str::FromStr;

use tch::{Cuda, Device};

use crate::error::{Error, Result};

/// A device as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    /// The first CUDA device if there is one, otherwise the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    // Text for clap, which adds the flag.
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| format!("unknown device '{text}' (auto, cpu, cuda:N)")),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl DeviceChoice {
    /// Finds the device. Call this before anything else of torch, which looks for CUDA once.
    ///
    /// # Errors
    /// When the CUDA device that was asked for is not there.
    pub(crate) fn resolve(self) -> Result<Device> {
        if self == Self::Cpu {
            return Ok(Device::Cpu);
        }
        load_cuda();
        let count = if Cuda::is_available() {
            // torch counts in i64.
            Cuda::device_count().max(0) as usize
        } else {
            0
        };
        match self {
            Self::Auto if count > 0 => Ok(Device::Cuda(0)),
            Self::Auto | Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(number) if number < count => Ok(Device::Cuda(number)),
            Self::Cuda(number) => Err(Error::Input(format!(
                "no CUDA device {number}: torch finds {count} (does LD_LIBRARY_PATH name a torch 2.11 with CUDA?)"
            ))),
        }
    }
}

/// Loads libtorch's CUDA half if a full installation is on the library path. It registers itself when it
/// is loaded, and must do so before torch's first call. Without it, torch has no CUDA.
fn load_cuda() {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: loading runs the library's initialisers, which are torch's own and made to be run so. The
    // handle is leaked, so nothing of it is ever unloaded.
    #[allow(unsafe_code)]
    let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
    match library {
        Ok(library) => std::mem::forget(library),
        Err(error) => log::debug!("no CUDA: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_torch_names_them() {
        for text in ["auto", "cpu", "cuda:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert!("cuda".parse::<DeviceChoice>().is_err());
        assert!("gpu".parse::<DeviceChoice>().is_err());
    }
}
