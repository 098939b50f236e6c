//! How files are named that have one band each.

use galmorph_cutout::BandFiles;
use toml::Value;

use super::value::{SettingValue, Shape};

/// The pattern of the whole name. What the bands are called is another setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BandPattern(String);

impl BandPattern {
    /// The pattern for these bands.
    pub(crate) fn of_bands(&self, bands: &[String]) -> Result<BandFiles, String> {
        BandFiles::new(&self.0, bands).map_err(|fault| fault.to_string())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl SettingValue for BandPattern {
    const SHAPE: Shape = Shape::Text;

    fn from_toml(value: Value) -> Result<Self, String> {
        let pattern = Self(String::from_toml(value)?);
        let some = ["g", "r"].map(String::from);
        pattern.of_bands(&some)?;
        if pattern.0.contains('/') {
            return Err(format!("'{}' is not the name of a file", pattern.0));
        }
        Ok(pattern)
    }
}
