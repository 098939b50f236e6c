//! A connection that is the only one to write for its source.

use std::collections::{BTreeMap, HashMap};

use galmorph_catalog::{CopiedModel, Reader};
use galmorph_output::readable;
use postgres::{Client, Transaction};
use rusqlite::types::Value;

use super::ShipOptions;
use super::blocks::{Batch, Kind};
use crate::Failure;
use crate::server::{
    Columns, FORGET_EARLIER, FORGET_MOVED, Fault, MONTHS, Statements, begin_to_write, copy,
    make_months, model_number, path_key, text, time,
};

/// See the module.
pub(super) struct Session {
    client: Client,
    source: i32,
    site: String,
    number: i64,
    /// The digests of the blocks that are there.
    blocks: BTreeMap<(Kind, i64), [u8; 32]>,
    last_review: i64,
    /// The numbers of the models there, by their numbers in the catalog.
    models: HashMap<i64, i32>,
    files: Columns,
    other_answers: Columns,
    statements: Statements,
}

/// What tells a catalog from another one that took its place: its first model, and when it met that.
fn identity(reader: &Reader) -> Result<String, Fault> {
    let first = reader.models()?.into_iter().next();
    let first = first.ok_or_else(|| {
        // The daemon writes it when it makes the catalog.
        Failure::Transient("the catalog has no model yet".to_owned())
    })?;
    Ok(format!("{} {}", first.first_used, first.digest))
}

impl Session {
    /// Takes the source over from whoever shipped it before.
    pub(super) fn begin(
        mut client: Client,
        reader: &Reader,
        options: &ShipOptions,
        replace: bool,
    ) -> Result<Self, Fault> {
        let files = Columns::of_files();
        let other_answers = Columns::of_other_answers();
        let statements = Statements::new(&files, &other_answers);
        let catalog = identity(reader)?;
        let mut transaction = client.transaction()?;
        let (source, number) = take_over(&mut transaction, options, &catalog, replace)?;
        // A catalog that was copied back from a backup gives ids anew that other files had here.
        let last = reader.last_file()?;
        transaction.execute(
            "UPDATE cutout SET local_id = NULL WHERE source = $1 AND local_id > $2",
            &[&source, &last],
        )?;
        transaction.commit()?;

        let mut blocks = BTreeMap::new();
        let found = "SELECT kind, number, digest FROM block WHERE source = $1";
        for row in client.query(found, &[&source])? {
            let kind = match row.get::<_, i16>(0) {
                0 => Kind::Files,
                _ => Kind::OtherAnswers,
            };
            // What is no digest is none: the block is written again.
            if let Ok(digest) = row.get::<_, Vec<u8>>(2).try_into() {
                blocks.insert((kind, row.get(1)), digest);
            }
        }
        let last = "SELECT coalesce(max(local_id), 0) FROM review WHERE source = $1";
        let last_review = client.query_one(last, &[&source])?.get(0);
        client.batch_execute(&statements.make_batches)?;
        // A loop over a batch for each row of a table would take for ever, and the server can't know.
        client.batch_execute("SET enable_nestloop = off")?;
        log::info!(
            "shipping '{}' as site '{}', session {number}",
            readable(&options.catalog),
            options.site
        );
        Ok(Self {
            client,
            source,
            site: options.site.clone(),
            number,
            blocks,
            last_review,
            models: HashMap::new(),
            files,
            other_answers,
            statements,
        })
    }

    /// Whether a block is there as it is here.
    pub(super) fn has(&self, kind: Kind, number: i64, digest: &[u8; 32]) -> bool {
        self.blocks.get(&(kind, number)) == Some(digest)
    }

    /// The last block of a kind that is there.
    pub(super) fn last_block(&self, kind: Kind) -> Option<i64> {
        let of_kind = (kind, i64::MIN)..=(kind, i64::MAX);
        let mut of_kind = self.blocks.range(of_kind);
        of_kind.next_back().map(|((_, number), _)| *number)
    }

    /// The last review that is there.
    pub(super) fn last_review(&self) -> i64 {
        self.last_review
    }

    /// Takes over models that are new.
    pub(super) fn learn_models(&mut self, models: &[CopiedModel]) -> Result<(), Fault> {
        for model in models {
            if self.models.contains_key(&model.id) {
                continue;
            }
            let id = model_number(&mut self.client, model)?;
            self.models.insert(model.id, id);
        }
        Ok(())
    }

    /// Whether all models of a batch are known there.
    pub(super) fn knows_models(&self, batch: &Batch) -> bool {
        let knows = |columns: &Columns, rows: &[Vec<Value>]| {
            let at = columns.names().iter().position(|name| name == "model");
            let at = at.expect("these rows have a model");
            rows.iter().all(|row| match row[at] {
                Value::Integer(id) => self.models.contains_key(&id),
                _ => true,
            })
        };
        knows(&self.files, &batch.files) && knows(&self.other_answers, &batch.other_answers)
    }

    /// Writes a batch: its rows and how far that is, or nothing.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<(), Fault> {
        let models = &self.models;
        let model = |id: i64| models.get(&id).copied();
        let mut transaction = self.client.transaction()?;
        begin_to_write(&mut transaction)?;
        require_session(&mut transaction, self.source, self.number)?;
        if !batch.files.is_empty() {
            let rows = batch.files.iter().map(|row| self.files.cells(row, model));
            copy(
                &mut transaction,
                self.statements.copy_files.as_str(),
                &self.files,
                rows,
            )?;
            make_months(&mut transaction, MONTHS)?;
            let (mut ids, mut keys) = (Vec::new(), Vec::new());
            for row in &batch.files {
                let (id, path) = Columns::id_and_path(row)?;
                ids.push(id);
                keys.push(path_key(path));
            }
            transaction.execute(FORGET_MOVED, &[&self.source, &self.site, &ids])?;
            transaction.execute(FORGET_EARLIER, &[&self.site, &keys])?;
            transaction.execute(&self.statements.merge_files, &[&self.source, &self.site])?;
        }
        if !batch.other_answers.is_empty() {
            let rows = batch.other_answers.iter();
            let rows = rows.map(|row| self.other_answers.cells(row, model));
            let columns = &self.other_answers;
            copy(
                &mut transaction,
                self.statements.copy_other_answers.as_str(),
                columns,
                rows,
            )?;
            transaction.execute(&self.statements.merge_other_answers, &[])?;
        }
        for review in &batch.reviews {
            let reviewed = time(review.reviewed).ok_or_else(|| {
                Failure::Unusable("the catalog has a review at no time".to_owned())
            })?;
            let [label, queue, note] =
                [&review.label, &review.queue, &review.note].map(|said| said.as_deref().map(text));
            let person = text(&review.reviewer);
            transaction.execute(
                "INSERT INTO review (source, local_id, digest, reviewer, label, queue, note, reviewed)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (source, local_id) DO NOTHING",
                &[
                    &self.source,
                    &review.id,
                    &review.digest,
                    &person,
                    &label,
                    &queue,
                    &note,
                    &reviewed,
                ],
            )?;
        }
        let kinds: Vec<i16> = batch.blocks.iter().map(|(kind, ..)| *kind as i16).collect();
        let numbers: Vec<i64> = batch.blocks.iter().map(|(_, number, _)| *number).collect();
        let digests: Vec<&[u8]> = batch
            .blocks
            .iter()
            .map(|(.., digest)| &digest[..])
            .collect();
        transaction.execute(
            "INSERT INTO block (source, kind, number, digest)
             SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bytea[])
             ON CONFLICT (source, kind, number) DO UPDATE SET digest = excluded.digest",
            &[&self.source, &kinds, &numbers, &digests],
        )?;
        transaction.execute(
            "UPDATE source SET shipped = now() WHERE id = $1",
            &[&self.source],
        )?;
        transaction.commit()?;
        for (kind, number, digest) in &batch.blocks {
            self.blocks.insert((*kind, *number), *digest);
        }
        if let Some(last) = batch.reviews.last() {
            self.last_review = last.id;
        }
        Ok(())
    }
}

/// Makes the source, or takes it over. Returns its number and that of the session.
fn take_over(
    transaction: &mut Transaction,
    options: &ShipOptions,
    catalog: &str,
    replace: bool,
) -> Result<(i32, i64), Fault> {
    let program = env!("CARGO_PKG_VERSION");
    let make = "INSERT INTO source (site, name, catalog) VALUES ($1, $2, $3) ON CONFLICT (site, name) DO NOTHING";
    let take = "UPDATE source SET session = session + 1, program = $3 WHERE site = $1 AND name = $2
         RETURNING id, session, catalog";
    let (site, name) = (&options.site, &options.name);
    transaction.execute(make, &[site, name, &catalog])?;
    let mut row = transaction.query_one(take, &[site, name, &program])?;
    if row.get::<_, String>(2) != catalog {
        if !replace {
            return Err(Failure::Usage(format!(
                "site '{site}' was shipped from another catalog than '{}' (a new one since? --replace ships it and keeps the rows of the old one; another machine? give it another --site)",
                readable(&options.catalog)
            ))
            .into());
        }
        // Its rows and reviews stay, under another name. A row goes over to the new catalog when that has its path.
        let rename =
            "UPDATE source SET name = concat_ws(' ', nullif(name, ''), 'replaced', session::text)
             WHERE site = $1 AND name = $2";
        transaction.execute(rename, &[site, name])?;
        transaction.execute(make, &[site, name, &catalog])?;
        row = transaction.query_one(take, &[site, name, &program])?;
    }
    Ok((row.get(0), row.get(1)))
}

/// Looks whether this session is still the last one, and keeps others from starting until the transaction ends.
fn require_session(transaction: &mut Transaction, source: i32, session: i64) -> Result<(), Fault> {
    let found = "SELECT session FROM source WHERE id = $1 FOR UPDATE";
    let last: Option<i64> = transaction
        .query_opt(found, &[&source])?
        .map(|row| row.get(0));
    if last == Some(session) {
        return Ok(());
    }
    Err(Failure::Unusable(
        "another galmorph-fleet ship has taken over this site; this one ends, and has written nothing since".to_owned(),
    )
    .into())
}
