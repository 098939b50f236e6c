//! The number of a model in PostgreSQL.

use galmorph_catalog::CopiedModel;
use jiff::Timestamp;
use postgres::GenericClient;
use postgres::types::ToSql;

use super::{Fault, text};
use crate::Failure;

/// What a model is known by: the digest of its file and of its card with the settings in use.
pub(crate) fn model_key(digest: &str, card: &str) -> [u8; 32] {
    let mut key = blake3::Hasher::new();
    key.update(digest.as_bytes());
    key.update(card.as_bytes());
    *key.finalize().as_bytes()
}

/// The number of a model there. One that is new gets one.
pub(crate) fn model_number(
    client: &mut impl GenericClient,
    model: &CopiedModel,
) -> Result<i32, Fault> {
    let key = model_key(&model.digest, &model.card).to_vec();
    let first_used: Timestamp = model.first_used.parse().map_err(|error| {
        Failure::Unusable(format!("the catalog has a model without a time: {error}"))
    })?;
    // It changes nothing where it is there, and then it says its number, too.
    let statement = "INSERT INTO model (key, name, digest, card, arithmetic, first_used)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING id";
    let (name, card) = (text(&model.name), text(&model.card));
    let values: [&(dyn ToSql + Sync); 6] = [
        &key,
        &name,
        &model.digest,
        &card,
        &model.arithmetic,
        &first_used,
    ];
    Ok(client.query_one(statement, &values)?.get(0))
}
