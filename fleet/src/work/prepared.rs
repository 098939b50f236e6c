//! The statements of a worker, which the server reads once for each connection.

use galmorph_catalog::other_answer_columns;
use postgres::types::Type;
use postgres::{Client, Statement};

use crate::server::{Bringing, FORGET_EARLIER, LOCK_PATHS, MONTHS, Statements, belongs};

/// Takes a model into use where there is none, and no machine's rows.
const TAKE_INTO_USE: &str = "INSERT INTO model_in_use (site, model, since)
    SELECT $1, $2, now() WHERE NOT EXISTS (SELECT 1 FROM source WHERE site = $1 AND name <> 'stream')
    ON CONFLICT (site) DO NOTHING";

const NOTE: &str = "INSERT INTO worker (site, name, machine, program, model, started, seen, ended,
             answered, rejected, known, given_up, images_a_second)
         VALUES ($1, $2, $3, $4, $5, $6, now(), CASE WHEN $7 THEN now() END, $8, $9, $10, $11, $12)
         ON CONFLICT (site, name) DO UPDATE SET (model, seen, ended, answered, rejected, known, given_up, images_a_second)
             = ROW (excluded.model, excluded.seen, excluded.ended, worker.answered + excluded.answered,
                    worker.rejected + excluded.rejected, worker.known + excluded.known,
                    worker.given_up + excluded.given_up, excluded.images_a_second)";

/// See the module.
pub(super) struct Prepared {
    pub(super) standing: Statement,
    pub(super) lock: Statement,
    pub(super) in_use: Statement,
    pub(super) take_into_use: Statement,
    pub(super) bring_keep: Statement,
    pub(super) bring_show: Statement,
    pub(super) copy_files: Statement,
    pub(super) merge_files: Statement,
    pub(super) copy_other_answers: Statement,
    pub(super) merge_other_answers: Statement,
    pub(super) months: Statement,
    pub(super) keep_answers: Statement,
    pub(super) forget_earlier: Statement,
    pub(super) note: Statement,
}

impl Prepared {
    /// The temporary tables must be there.
    pub(super) fn new(client: &mut Client, texts: &Statements) -> Result<Self, postgres::Error> {
        let standing = format!(
            "SELECT path_key, cutout.xmin::text, first_seen, bytes, modified, digest, model, reason IS NOT NULL,
                 EXISTS (SELECT 1 FROM other_answer AS one WHERE {}), rendering
             FROM cutout WHERE site = $1 AND path_key = ANY ($2)",
            belongs("$3")
        );
        let bringing = Bringing::new();
        let answers = other_answer_columns();
        let (list, theirs) = (answers.join(", "), answers.join(", cutout."));
        let keep_answers = format!(
            "INSERT INTO other_answer ({list}) SELECT cutout.{theirs}
             FROM cutout JOIN batch ON batch.path_key = cutout.path_key
             WHERE cutout.site = $1 AND cutout.path_key = ANY ($2) AND cutout.label IS NOT NULL
                 AND (cutout.digest, cutout.model, cutout.rendering) IS DISTINCT FROM (batch.digest, batch.model, batch.rendering)
             ORDER BY cutout.digest, cutout.model, cutout.rendering
             ON CONFLICT (digest, model, rendering) DO NOTHING"
        );
        Ok(Self {
            standing: client.prepare(&standing)?,
            lock: client.prepare(LOCK_PATHS)?,
            in_use: client.prepare("SELECT model FROM model_in_use WHERE site = $1")?,
            take_into_use: client.prepare_typed(TAKE_INTO_USE, &[Type::TEXT, Type::INT4])?,
            bring_keep: client.prepare(&bringing.keep)?,
            bring_show: client.prepare(&bringing.show)?,
            copy_files: client.prepare(&texts.copy_files)?,
            merge_files: client.prepare(&texts.merge_files)?,
            copy_other_answers: client.prepare(&texts.copy_other_answers)?,
            merge_other_answers: client.prepare(&texts.merge_other_answers)?,
            months: client.prepare(MONTHS)?,
            keep_answers: client.prepare(&keep_answers)?,
            forget_earlier: client.prepare(FORGET_EARLIER)?,
            note: client.prepare(NOTE)?,
        })
    }
}
