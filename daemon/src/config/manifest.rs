//! A table that comes with the images of a folder.

use std::path::PathBuf;

use toml::Value;

use super::value::{Item, SettingValue, Shape, not};

/// A manifest, and what its columns are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManifestSettings {
    /// Where it is, or will be.
    pub(crate) path: PathBuf,
    /// The names of its columns, where they are not the usual ones.
    pub(crate) columns: ColumnNames,
}

/// The names of a manifest's columns; `None` where the usual ones are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ColumnNames {
    /// The name of the file.
    pub(crate) file: Option<String>,
    /// The name of the object.
    pub(crate) object_id: Option<String>,
    /// Right ascension, in degrees.
    pub(crate) ra: Option<String>,
    /// Declination, in degrees.
    pub(crate) dec: Option<String>,
    /// petroR90, in arcsec.
    pub(crate) radius: Option<String>,
}

impl From<PathBuf> for ManifestSettings {
    /// One with columns of the usual names.
    fn from(path: PathBuf) -> Self {
        let columns = ColumnNames::default();
        Self { path, columns }
    }
}

/// `"m.csv"`, or `{ path = "m.csv", columns = { file = "asset_id", object_id = "objid" } }`.
impl SettingValue for ManifestSettings {
    const SHAPE: Shape = Shape::Path;

    fn from_toml(value: Value) -> Result<Self, String> {
        let table = match value {
            Value::String(path) => return Ok(PathBuf::from(path).into()),
            Value::Table(table) => table,
            other => {
                let what = "a path in quotes, or { path = \"...\", columns = { ... } }";
                return Err(not(&other, what));
            }
        };
        let (mut path, mut columns) = (None, ColumnNames::default());
        for (key, value) in table {
            match (&*key, value) {
                ("path", value) => path = Some(PathBuf::from_toml(value)?),
                ("columns", Value::Table(table)) => {
                    for (name, value) in table {
                        let fault = |fault| format!("columns: {name}: {fault}");
                        let column = String::from_toml(value).map_err(fault)?;
                        *columns.named(&name)? = Some(column);
                    }
                }
                ("columns", other) => {
                    let what = "a table such as { file = \"asset_id\" }";
                    return Err(format!("columns: {}", not(&other, what)));
                }
                _ => return Err(format!("a manifest has no '{key}' (path and columns)")),
            }
        }
        Ok(Self {
            path: path.ok_or("a manifest without a path")?,
            columns,
        })
    }
}

impl ColumnNames {
    fn named(&mut self, name: &str) -> Result<&mut Option<String>, String> {
        Ok(match name {
            "file" => &mut self.file,
            "object_id" => &mut self.object_id,
            "ra" => &mut self.ra,
            "dec" => &mut self.dec,
            "radius" => &mut self.radius,
            _ => {
                return Err(format!(
                    "columns: unknown '{name}' (one of file, object_id, ra, dec, radius)"
                ));
            }
        })
    }
}

impl Item for ManifestSettings {
    const PLURAL: &str = "manifests";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ManifestSettings, String> {
        let table: toml::Table = text.parse().unwrap();
        ManifestSettings::from_toml(table.into())
    }

    #[test]
    fn columns_may_have_names_of_their_own() {
        let manifest = read("path = 'm.csv'\ncolumns = { file = 'asset_id', ra = 'RAJ2000' }");
        let manifest = manifest.unwrap();
        assert_eq!(manifest.path, PathBuf::from("m.csv"));
        assert_eq!(manifest.columns.file.as_deref(), Some("asset_id"));
        assert_eq!(manifest.columns.ra.as_deref(), Some("RAJ2000"));
        assert_eq!(manifest.columns.dec, None);
    }

    #[test]
    fn what_a_manifest_does_not_have_is_refused() {
        for (text, expected) in [
            ("columns = {}", "a manifest without a path"),
            ("path = 3", "3 is not a path in quotes"),
            ("path = 'm'\nfile = 'f'", "a manifest has no 'file' (path"),
            (
                "path = 'm'\ncolumns = { id = 'f' }",
                "columns: unknown 'id' (one of file, object_id",
            ),
            (
                "path = 'm'\ncolumns = { ra = 3 }",
                "columns: ra: 3 is not text in quotes",
            ),
            (
                "path = 'm'\ncolumns = 'ra'",
                "columns: \"ra\" is not a table",
            ),
        ] {
            let fault = read(text).unwrap_err();
            assert!(fault.starts_with(expected), "{fault}");
        }
    }
}
