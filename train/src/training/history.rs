//! `history.csv`: one row an epoch, for people and their plotting programs.

use crate::csv_bytes::csv_bytes;
use crate::evaluation::EpochRecord;

/// The file's name, in the run's folder.
pub(crate) const HISTORY: &str = "history.csv";

/// The contents of the file.
pub(super) fn to_csv(records: &[EpochRecord]) -> Vec<u8> {
    let fixed = [
        "epoch",
        "rate",
        "loss",
        "training_accuracy",
        "images_per_second",
        "waiting",
        "validation_accuracy",
    ];
    let mut header: Vec<String> = fixed.map(String::from).to_vec();
    // All epochs of a run are measured at the same scales.
    let scales = records
        .iter()
        .take(1)
        .flat_map(|record| &record.validation.per_scale);
    header.extend(scales.map(|scale| format!("validation_accuracy_{}", scale.scale)));
    csv_bytes(header, records.iter().map(row))
}

fn row(record: &EpochRecord) -> Vec<String> {
    let mut row = vec![
        record.epoch.to_string(),
        record.rate.to_string(),
        record.loss.to_string(),
        record.training_accuracy.to_string(),
        format!("{:.1}", record.images_per_second),
        format!("{:.4}", record.waiting),
        record.validation.accuracy.to_string(),
    ];
    let scales = record.validation.per_scale.iter();
    row.extend(scales.map(|scale| scale.accuracy.to_string()));
    row
}

/// One epoch in one line, for the log.
pub(super) fn describe(record: &EpochRecord, epochs: u32) -> String {
    let scales: Vec<String> = (record.validation.per_scale.iter())
        .map(|scale| format!("{}: {:.2}", scale.scale, 100.0 * scale.accuracy))
        .collect();
    format!(
        "epoch {}/{epochs}: rate {:.4}, loss {:.4}, training {:.2} %, validation {:.2} % ({}), {:.0} images/s",
        record.epoch,
        record.rate,
        record.loss,
        100.0 * record.training_accuracy,
        100.0 * record.validation.accuracy,
        scales.join(", "),
        record.images_per_second
    )
}
