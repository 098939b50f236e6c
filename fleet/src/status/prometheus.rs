//! A report in Prometheus' text format, for the textfile collector of `node_exporter`.

use std::fmt::Write as _;

use super::{Machine, Report};

/// A page of metrics in the making.
struct Page(String);

impl Page {
    /// Writes a metric: its samples with their labels.
    fn gauge(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (String, f64)>) {
        let wrote = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge");
        wrote.expect("a string takes any text");
        for (labels, value) in samples {
            writeln!(self.0, "{name}{{{labels}}} {value}").expect("a string takes any text");
        }
    }
}

/// The site's label and another one.
fn labels(site: &str, name: &str, value: &str) -> String {
    format!("site=\"{}\",{name}=\"{}\"", escaped(site), escaped(value))
}

/// As the format asks for it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// A metric of machines: its name, what it is, and its value.
type OfMachine = (&'static str, &'static str, fn(&Machine) -> f64);

/// What is said of a machine.
const OF_MACHINES: [OfMachine; 5] = [
    ("workers", "Processes that work.", |machine| {
        machine.workers as f64
    }),
    (
        "silent_workers",
        "Processes that did not end, and were not heard of for a minute.",
        |machine| machine.silent as f64,
    ),
    (
        "images_per_second",
        "Files that were done a second, lately.",
        |machine| machine.images_a_second,
    ),
    (
        "held",
        "Files in the hands of this machine's workers.",
        |machine| machine.held as f64,
    ),
    (
        "age_seconds",
        "Time since a worker of this machine was heard of.",
        |machine| machine.seconds_ago,
    ),
];

impl Report {
    /// For Prometheus.
    pub(crate) fn prometheus(&self) -> String {
        let mut page = Page(String::new());
        let of = |name: &str, value: &str| labels(&self.site, name, value);
        let mut states = vec![
            ("answered", self.answered),
            ("rejected", self.rejected),
            ("waiting", self.waiting),
            ("held", self.held),
        ];
        // A number that is not known has no sample.
        states.extend(self.fed.map(|fed| ("fed", fed)));
        states.extend(self.unaccounted.map(|short| ("unaccounted", short)));
        page.gauge(
            "galmorph_fleet_files",
            "Files of a site. Those that were fed are answered, rejected, waiting, held or unaccounted for.",
            states.iter().map(|(state, count)| (of("state", state), *count as f64)),
        );
        let reasons = self.reasons.iter();
        page.gauge(
            "galmorph_fleet_files_rejected",
            "Files without an answer. given_up and unreadable are those that ended their workers, and could not be read.",
            reasons.map(|(reason, count)| (of("reason", reason), *count as f64)),
        );
        let site = format!("site=\"{}\"", escaped(&self.site));
        page.gauge(
            "galmorph_fleet_files_lacking",
            "Answered files that the model in use has not answered, so that they show an earlier one.",
            [(site.clone(), self.lacking as f64)],
        );
        page.gauge(
            "galmorph_fleet_files_beside",
            "Answered files that show an earlier model than the one in use, whose answer is there, too.",
            [(site.clone(), self.beside as f64)],
        );
        page.gauge(
            "galmorph_fleet_files_delivered_again",
            "Files in the hands of a worker that an earlier one did not come to an end with.",
            [(site, self.delivered_again as f64)],
        );
        let feeders = self.feeders.iter();
        page.gauge(
            "galmorph_fleet_feeder_age_seconds",
            "Time since a feeder last looked at all its files.",
            feeders.map(|feeder| (of("source", &feeder.source), feeder.seconds_ago)),
        );
        let shipped = self.catalogs.iter().filter_map(|catalog| {
            // The site of the report goes first, as in all its samples: two reports of a database have none in common.
            let name = match &*catalog.name {
                "" => catalog.site.clone(),
                name => format!("{}/{name}", catalog.site),
            };
            Some((of("catalog", &name), catalog.seconds_ago?))
        });
        page.gauge(
            "galmorph_fleet_catalog_age_seconds",
            "Time since the last rows of a machine's catalog were shipped.",
            shipped,
        );
        for (name, help, number) in OF_MACHINES {
            let machines = self.machines.iter();
            page.gauge(
                &format!("galmorph_fleet_machine_{name}"),
                help,
                machines.map(|machine| (of("machine", &machine.name), number(machine))),
            );
        }
        page.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_end_a_label() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
