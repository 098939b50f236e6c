//! What `galmorph watch` says when it ends.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use galmorph_cutout::{EarlyStop, Morphology};

use super::hint;
use crate::failure::Failure;
use crate::observe::three_digits;
use crate::pipeline::Report;
use galmorph_output::{readable, visible};

/// What `galmorph watch` did, for the person who started it.
pub(super) struct Summary<'a> {
    pub(super) report: &'a Report,
    pub(super) elapsed: Duration,
    /// On how many views the network was run, where some may have been left out, and when that is done.
    pub(super) views: Option<(EarlyStop, u64)>,
    pub(super) catalog: &'a Path,
    pub(super) extensions: &'a [String],
    /// Whether it was to end by itself.
    pub(super) drain: bool,
}

impl Summary<'_> {
    /// Prints it: after a drain, and for a person at a terminal.
    pub(super) fn print(&self) -> Result<(), Failure> {
        if !self.drain && !io::stdout().is_terminal() {
            return Ok(());
        }
        let lines = self.lines();
        let lines: Vec<_> = lines.iter().map(|line| visible(line)).collect();
        let text = lines.join("\n") + "\n";
        io::stdout()
            .write_all(text.as_bytes())
            .map_err(Failure::Output)
    }

    fn lines(&self) -> Vec<String> {
        let (tally, intake) = (&self.report.tally, &self.report.intake);
        let mut lines = vec![self.classified()];
        for class in Morphology::ALL {
            let count = tally.classified[class.id()];
            lines.push(row(class.name(), count, class.long_name()));
        }
        if let Some((early_stop, views)) = self.views {
            lines.push(format!(
                "early stop {early_stop}: {views} views for {} cutouts",
                tally.classified_total()
            ));
        }
        if intake.unchanged > 0 {
            lines.push(format!("already in the catalog: {}", intake.unchanged));
        }
        let rejected = tally.rejected_total();
        if rejected > 0 {
            lines.push(format!("rejected {}", files(rejected)));
            let kinds = tally.rejected.iter();
            lines.extend(kinds.map(|(kind, count)| row(kind, *count, "")));
        }
        if !intake.others.is_empty() {
            let what = intake.others.explain(self.extensions);
            lines.push(format!("left alone: {what}"));
        }
        if !intake.abandoned.is_empty() {
            lines.push(format!("could not be read: {}", intake.abandoned.len()));
            lines.extend(intake.abandoned.iter().map(|fault| format!("  {fault}")));
        }
        if intake.interrupted && self.drain {
            lines.push("interrupted; the same command goes on from here".into());
        }
        let shown = std::path::absolute(self.catalog).unwrap_or_else(|_| self.catalog.to_owned());
        lines.push(format!("catalog: {}", readable(&shown)));
        let next = hint::command(&next_query(tally.classified), self.catalog);
        lines.push(format!("next:    {next}"));
        if rejected > 0 {
            let why = hint::command("query --rejected", self.catalog);
            lines.push(format!("why:     {why}"));
        }
        lines
    }

    /// How many files were classified, as `galmorph status` counts them, and how fast.
    fn classified(&self) -> String {
        let tally = &self.report.tally;
        let total = tally.classified_total() + tally.known;
        let copies = if tally.known > 0 {
            format!(" ({} of the same content as another)", tally.known)
        } else {
            String::new()
        };
        let seconds = self.elapsed.as_secs_f64();
        let rate = if self.drain && total > 0 {
            format!(
                ": {} files/s",
                three_digits(total as f64 / seconds.max(1e-9))
            )
        } else {
            String::new()
        };
        let time = duration(self.elapsed);
        format!("{} classified{copies} in {time}{rate}", files(total))
    }
}

fn row(name: &str, count: u64, meaning: &str) -> String {
    let row = format!("  {name:<16}{count:>8}  {meaning}");
    row.trim_end().to_owned()
}

fn files(count: u64) -> String {
    let files = if count == 1 { "file" } else { "files" };
    format!("{count} {files}")
}

/// A time as a person says it: `2.3 s`, `12 min`, `3 h 25 min`.
fn duration(time: Duration) -> String {
    let minutes = (time.as_secs_f64() / 60.0).round() as u64;
    match minutes {
        0..2 => format!("{:.1} s", time.as_secs_f64()),
        2..60 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// A query that is sure to show something: the most frequent class, or whatever there is.
fn next_query(classified: [u64; Morphology::COUNT]) -> String {
    let mut frequent = Morphology::Spiral;
    for class in Morphology::ALL {
        if classified[class.id()] > classified[frequent.id()] {
            frequent = class;
        }
    }
    let label = if classified[frequent.id()] > 0 {
        format!(" --label {frequent}")
    } else {
        String::new()
    };
    format!("query{label} --limit 10")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::IntakeReport;
    use crate::observe::Tally;

    fn text(report: &Report, drain: bool) -> String {
        let summary = Summary {
            report,
            elapsed: Duration::from_secs(2),
            views: None,
            catalog: Path::new("/a b/c.sqlite"),
            extensions: &["jpg".into()],
            drain,
        };
        summary.lines().join("\n")
    }

    #[test]
    fn the_next_query_asks_for_what_is_there() {
        assert_eq!(next_query([0; 5]), "query --limit 10");
        assert_eq!(
            next_query([1, 0, 7, 0, 0]),
            "query --label cigar --limit 10"
        );
    }

    #[test]
    fn copies_count_as_classified_and_a_label_is_one_to_query_by() {
        let report = Report {
            tally: Tally {
                classified: [0, 0, 0, 4, 1],
                known: 1,
                rejected: [("broken", 1)].into(),
            },
            intake: IntakeReport {
                interrupted: true,
                ..IntakeReport::default()
            },
        };
        let drained = text(&report, true);
        let lines: Vec<&str> = drained.lines().collect();
        assert_eq!(
            lines[0],
            "6 files classified (1 of the same content as another) in 2.0 s: 3.00 files/s"
        );
        assert_eq!(lines[2], "  in_between             0  in-between smooth");
        assert_eq!(lines[4], "  edge_on                4  edge-on");
        assert_eq!(lines[6], "rejected 1 file");
        assert!(drained.contains("interrupted; "));
        assert!(drained.contains("query --label edge_on --limit 10 --catalog '/a b/c.sqlite'"));
        assert!(drained.ends_with("query --rejected --catalog '/a b/c.sqlite'"));
        let watched = text(&report, false);
        assert!(
            watched.starts_with("6 files classified (1 of the same content as another) in 2.0 s\n")
        );
        assert!(!watched.contains("interrupted"));
    }

    #[test]
    fn a_time_is_said_as_a_person_says_it() {
        let said = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(
            [2, 89, 700, 12_300].map(said),
            ["2.0 s", "89.0 s", "12 min", "3 h 25 min"]
        );
    }
}
