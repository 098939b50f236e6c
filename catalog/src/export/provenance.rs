//! Where exported rows come from, for a file's own header.

/// Where exported rows come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The program and its version.
    pub program: String,
    /// When the rows were read: ISO 8601, UTC.
    pub time: String,
    /// The file name of the catalog.
    pub catalog: String,
    /// The question that the rows answer.
    pub query: String,
    /// The models that the catalog knows.
    pub models: Vec<ModelOrigin>,
}

/// A model that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOrigin {
    /// Its name.
    pub name: String,
    /// The BLAKE3 digest of its file, in hexadecimal.
    pub digest: String,
}

impl Provenance {
    /// All of it as names and values, in a fixed order.
    pub(super) fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries = vec![
            ("creator", self.program.clone()),
            ("date", self.time.clone()),
            ("catalog", self.catalog.clone()),
            ("query", self.query.clone()),
        ];
        entries.extend(self.models.iter().map(|model| {
            let ModelOrigin { name, digest } = model;
            ("model", format!("{name} (BLAKE3 {digest})"))
        }));
        entries.retain(|(_, value)| !value.is_empty());
        entries
    }
}
