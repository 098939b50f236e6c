//! What a drain says when it is done.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use galmorph_cutout::{EarlyStop, Morphology};

use crate::config::DEFAULT_CATALOG;
use crate::pipeline::Report;

/// What a drain did, for the person who asked for it. `runs` says how often the network was run where
/// that is not once for each file, and why not.
pub(super) fn summary(
    report: &Report,
    elapsed: Duration,
    runs: Option<(EarlyStop, u64)>,
    catalog: &Path,
) -> String {
    let (tally, intake) = (&report.tally, &report.intake);
    let classified = tally.classified_total();
    let seconds = elapsed.as_secs_f64();
    let mut lines = vec![format!(
        "classified {classified} cutouts in {seconds:.1} s ({:.0} images/s)",
        classified as f64 / seconds.max(1e-9)
    )];
    for class in Morphology::ALL {
        let count = tally.classified[class.id()];
        lines.push(format!("  {:<24}{count:>8}", class.long_name()));
    }
    if let Some((early_stop, runs)) = runs {
        lines.push(format!(
            "early stop {early_stop}: {runs} runs of the network for {classified} cutouts"
        ));
    }
    if tally.known > 0 {
        lines.push(format!("same content as others: {}", tally.known));
    }
    if intake.unchanged > 0 {
        lines.push(format!("already in the catalog: {}", intake.unchanged));
    }
    lines.extend(rejections(&tally.rejected));
    if !intake.abandoned.is_empty() {
        lines.push(format!("could not be read: {}", intake.abandoned.len()));
        lines.extend(intake.abandoned.iter().map(|fault| format!("  {fault}")));
    }
    if intake.interrupted {
        lines.push("interrupted; the same command goes on from here".into());
    }
    let shown = std::path::absolute(catalog).unwrap_or_else(|_| catalog.to_owned());
    lines.push(format!("catalog: {}", shown.display()));
    lines.push(format!(
        "next:    {}",
        next_command(tally.classified, catalog)
    ));
    lines.join("\n") + "\n"
}

fn rejections(rejected: &BTreeMap<&str, u64>) -> Vec<String> {
    if rejected.is_empty() {
        return Vec::new();
    }
    let total: u64 = rejected.values().sum();
    let mut lines = vec![format!(
        "rejected {total} (galmorph query --rejected says why)"
    )];
    let kinds = rejected.iter();
    lines.extend(kinds.map(|(kind, count)| format!("  {kind:<24}{count:>8}")));
    lines
}

/// A query that is sure to show something: the most frequent class, or what is there at all.
fn next_command(classified: [u64; Morphology::COUNT], catalog: &Path) -> String {
    let mut frequent = Morphology::Spiral;
    for class in Morphology::ALL {
        if classified[class.id()] > classified[frequent.id()] {
            frequent = class;
        }
    }
    let place = if catalog == Path::new(DEFAULT_CATALOG) {
        String::new()
    } else {
        format!(" --catalog '{}'", catalog.display())
    };
    let label = if classified[frequent.id()] > 0 {
        format!(" --label {frequent}")
    } else {
        String::new()
    };
    format!("galmorph query{label} --limit 10{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_asks_for_what_is_there() {
        let default = Path::new(crate::config::DEFAULT_CATALOG);
        assert_eq!(next_command([0; 5], default), "galmorph query --limit 10");
        assert_eq!(
            next_command([1, 0, 7, 0, 0], Path::new("/a b")),
            "galmorph query --label cigar --limit 10 --catalog '/a b'"
        );
    }
}
