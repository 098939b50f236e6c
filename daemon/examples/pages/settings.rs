//! galmorph.toml(5): the configuration, from the program's own table of settings.
//!
//! Defaults are read off the example configuration, which a test of the program holds to them. What values
//! are allowed is asked of the program: it names the bounds when it refuses a number.

use roff::bold;

use crate::Result;
use crate::page::Page;
use galmorph::pages::{faults, settings};

const EXAMPLE: &str = include_str!("../../../data/galmorph.toml");

pub(crate) fn page(date: &str) -> Result<Page> {
    let about = "configuration of galmorph watch";
    let mut page = Page::new("galmorph.toml", 5, about, date);
    page.section("SYNOPSIS")
        .paragraph("/etc/galmorph/galmorph.toml, for the service that the package installs")
        .section("DESCRIPTION")
        .paragraph(
            "The configuration is a TOML file: one setting a line, as `name = value`. `galmorph watch` and \
             `galmorph check` read the file that `--config` names. A flag of the command line goes before \
             the setting of the same name. A setting that is left out has its default.",
        )
        .paragraph(
            "A setting that is unknown, of the wrong type or out of bounds is a fault, and with a fault the \
             daemon does not start. `galmorph check --config FILE` prints every fault. A running daemon \
             reads the file again at SIGHUP (`systemctl reload galmorph`); if there is a fault, it goes on \
             with the settings that it has.",
        )
        .section("SETTINGS");
    for (name, meaning) in settings() {
        let facts = facts(name)?;
        page.item(vec![bold(name)], &format!("{meaning}."))
            .more(&facts);
    }
    page.section("EXAMPLES")
        .paragraph("Watch one folder where files stay, and one whose files are moved when they have their answer:")
        .example("folders = [\"/srv/cutouts\", { path = \"/srv/tonight\", after = \"move\" }]")
        .paragraph("A network file system, on a machine whose other cores are needed elsewhere:")
        .example("folders = [\"/net/survey/cutouts\"]\npoll = true\nworkers = 2")
        .paragraph("Numbers for Prometheus on a Unix socket:")
        .example("metrics = \"unix:/run/galmorph/metrics.sock\"")
        .section("FILES")
        .item(
            vec![bold("/etc/galmorph/galmorph.toml")],
            "The configuration of the service. An upgrade of the package leaves your changes alone.",
        )
        .see_also(&[("galmorph-check", 1), ("galmorph-watch", 1), ("galmorph-catalog", 5)]);
    Ok(page)
}

/// A setting's default, and the bounds of a number.
fn facts(name: &str) -> Result<String> {
    let set = format!("{name} = ");
    let line = EXAMPLE
        .lines()
        .find(|line| line.trim_start_matches("# ").starts_with(&set))
        .ok_or_else(|| format!("the example configuration lacks {name}"))?;
    let is_set = !line.starts_with('#');
    let value = line.trim_start_matches("# ").trim_start_matches(&set);
    let mut facts = if is_set {
        format!("Default: `{value}`.")
    } else {
        format!("Not set by default; for example `{value}`.")
    };
    if let Some((low, high)) = bounds(name) {
        facts = format!("From {low} to {high}. {facts}");
    }
    Ok(facts)
}

/// The least and the greatest value of a number, from what is said of one that is too great.
fn bounds(name: &str) -> Option<(String, String)> {
    let faults = faults(&format!("{name} = {}", u32::MAX));
    let (_, bounds) = faults.first()?.split_once(" is not between ")?;
    let (low, high) = bounds.split_once(" and ")?;
    Some((low.to_owned(), high.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_bounds_and_its_default() {
        assert_eq!(facts("batch").unwrap(), "From 1 to 1024. Default: `8`.");
        assert_eq!(
            facts("settle_seconds").unwrap(),
            "From 0 to 86400. Default: `2.0`."
        );
        assert_eq!(facts("order").unwrap(), "Default: `\"newest\"`.");
        assert!(
            facts("catalog")
                .unwrap()
                .starts_with("Not set by default; for example `\"/")
        );
        assert!(facts("nonsense").is_err());
    }
}
