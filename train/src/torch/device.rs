//! The device that torch computes on.

use std::fmt;
use std::str::FromStr;

use tch::Device;

use super::cuda::{self, NoCuda};
use crate::error::{Error, Result};

/// A device as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    /// The first CUDA device if there is one that can be used, otherwise the CPU.
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
    /// When the CUDA device that was asked for is not there, or can't be used.
    pub(crate) fn resolve(self) -> Result<Device> {
        if self == Self::Cpu {
            return Ok(Device::Cpu);
        }
        match (self, cuda::devices()) {
            (Self::Auto, Ok(_)) => Ok(Device::Cuda(0)),
            (Self::Auto, Err(NoCuda::NoDriver(fault))) => {
                log::debug!("no GPU: {fault}");
                Ok(Device::Cpu)
            }
            // Whoever has a GPU wants to know why it stands idle.
            (Self::Auto, Err(fault)) => {
                log::warn!("computing on the CPU: {fault}");
                Ok(Device::Cpu)
            }
            (Self::Cuda(number), Ok(count)) if number < count => Ok(Device::Cuda(number)),
            (Self::Cuda(number), Ok(count)) => Err(Error::Input(format!(
                "no device cuda:{number}: torch finds {count}, counted from 0"
            ))),
            (_, Err(fault)) => Err(Error::Input(format!("no device {self}: {fault}"))),
            (Self::Cpu, Ok(_)) => Ok(Device::Cpu),
        }
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
