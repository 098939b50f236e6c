//! A report for people.

use std::fmt::{self, Display, Formatter};

use galmorph_output::visible;

use super::{Report, ShippedCatalog};

impl Display for Report {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        match self.fed {
            Some(fed) => writeln!(
                out,
                "{fed:>12} files were found by the feeders of '{}'",
                self.site
            )?,
            None => writeln!(out, "nobody has fed '{}' to its end yet", self.site)?,
        }
        let behind = match (self.lacking, self.beside) {
            (0, 0) => String::new(),
            (lacking, 0) => {
                format!(
                    " ({lacking} lack the answer of the model in use: galmorph-fleet model --feed)"
                )
            }
            (lacking, beside) => format!(
                " ({lacking} lack the answer of the model in use, {beside} have it beside: galmorph-fleet model --feed, unless a switch is under way)"
            ),
        };
        writeln!(out, "{:>12} answered{behind}", self.answered)?;
        let reasons = self.reasons.iter();
        let reasons: Vec<String> = reasons
            .map(|(reason, count)| format!("{} {count}", visible(reason)))
            .collect();
        let reasons = match &*reasons.join(", ") {
            "" => String::new(),
            reasons => format!(" ({reasons})"),
        };
        writeln!(out, "{:>12} rejected{reasons}", self.rejected)?;
        writeln!(out, "{:>12} on the stream wait", self.waiting)?;
        let again = match self.delivered_again {
            0 => String::new(),
            again => format!(" ({again} not for the first time)"),
        };
        writeln!(
            out,
            "{:>12} on the stream are held by workers{again}",
            self.held
        )?;
        if self.on_stream_with_row > 0 {
            writeln!(
                out,
                "{:>12} of those on the stream have a row already",
                self.on_stream_with_row
            )?;
        }
        match self.unaccounted {
            Some(short) if short < 0 => {
                writeln!(
                    out,
                    "{:>12} with a row are not in the folders any more",
                    -short
                )?;
            }
            Some(short) => writeln!(out, "{short:>12} unaccounted for")?,
            None => {}
        }
        for feeder in &self.feeders {
            writeln!(
                out,
                "\nfed from {}: {} files, {} added, {} s ago\n    on {}, version {}",
                visible(&feeder.source),
                feeder.files,
                feeder.added,
                feeder.seconds_ago.round(),
                visible(&feeder.machine),
                visible(&feeder.program)
            )?;
        }
        for machine in &self.machines {
            let silent = match machine.silent {
                0 => String::new(),
                silent => format!(", {silent} silent"),
            };
            writeln!(
                out,
                "\n{}: {} workers{silent}, {:.1} images a second, {} held, heard of {} s ago",
                visible(&machine.name),
                machine.workers,
                machine.images_a_second,
                machine.held,
                machine.seconds_ago.round()
            )?;
            writeln!(
                out,
                "    {} answered, {} rejected ({} given up), {} known already",
                machine.answered, machine.rejected, machine.given_up, machine.known
            )?;
            if machine.workers > 0 {
                writeln!(
                    out,
                    "    version {}, model {}",
                    visible(&machine.programs.join(", ")),
                    visible(&machine.models.join(", "))
                )?;
            }
        }
        self.catalogs
            .iter()
            .try_for_each(|catalog| write!(out, "{catalog}"))
    }
}

impl Display for ShippedCatalog {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        let name = match &*self.name {
            "" => String::new(),
            name => format!(" ({})", visible(name)),
        };
        let rows = match self.seconds_ago {
            None => "no rows yet".to_owned(),
            Some(ago) => format!("its last rows came {} s ago", ago.round()),
        };
        let version = match &self.program {
            None => String::new(),
            Some(program) => format!(", version {}", visible(program)),
        };
        let site = visible(&self.site);
        writeln!(out, "\nshipped from {site}{name}: {rows}{version}")
    }
}
