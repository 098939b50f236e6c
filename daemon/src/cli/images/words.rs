//! The findings for people.

use std::collections::BTreeMap;

use super::found::{Example, Findings, Quantiles};

/// How many sizes are named.
const SIZES: usize = 5;

impl Findings {
    /// A line for each thing that is to be said.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{}: {} image files, {} looked at",
            self.folder, self.files, self.sampled
        )];
        if !self.other_files.is_empty() {
            lines.push(row("other files", &self.left_alone));
        }
        for fault in &self.faults {
            lines.push(row("fault", fault));
        }
        for (reason, found) in &self.rejected {
            lines.push(row(&format!("rejected as {reason}"), &example(found)));
        }
        if self.sizes.is_empty() {
            lines.extend(self.suggestions());
            return lines;
        }
        lines.push(row("sizes", &self.sizes_in_words()));
        lines.push(row("framing", &counts(&self.framing)));
        if !self.positions.is_empty() {
            lines.push(row("positions", &counts(&self.positions)));
        }
        let measured = &self.measured;
        if let (Some(side), Some(part)) = (measured.frame_side, measured.part_of_image) {
            let text = format!(
                "{} of {}: the frame is {} pixels, {} of the image's side",
                measured.images,
                self.sizes.values().sum::<usize>(),
                range(side, 0),
                range(part, 2)
            );
            lines.push(row("measured", &text));
        }
        let grey = self.colours.grey;
        if grey > 0 {
            lines.push(row("grey", &grey.to_string()));
        }
        if let Some(redness) = self.colours.redness {
            lines.push(row("redness", &range(redness, 2)));
        }
        for (flag, found) in &self.flags {
            lines.push(row(&format!("flag {flag}"), &example(found)));
        }
        lines.extend(self.suggestions());
        lines
    }

    fn suggestions(&self) -> impl Iterator<Item = String> {
        self.advice().into_iter().map(|advice| {
            let setting = advice.setting.map(|setting| setting + ": ");
            let setting = setting.unwrap_or_default();
            format!("suggestion: {setting}{}", advice.reason)
        })
    }

    fn sizes_in_words(&self) -> String {
        let mut sizes: Vec<_> = self.sizes.iter().collect();
        sizes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let named = sizes.iter().take(SIZES);
        let mut words: Vec<String> = named
            .map(|((width, height), count)| format!("{count} of {width} x {height}"))
            .collect();
        if sizes.len() > SIZES {
            words.push(format!("{} other sizes", sizes.len() - SIZES));
        }
        words.join(", ")
    }
}

fn row(name: &str, text: &str) -> String {
    format!("{name:<21} {text}")
}

fn example(found: &Example) -> String {
    format!("{}, such as {}", found.images, found.example)
}

fn counts(counts: &BTreeMap<&'static str, usize>) -> String {
    let words: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    words.join(", ")
}

fn range(quantiles: Quantiles, digits: usize) -> String {
    let Quantiles { low, median, high } = quantiles;
    format!("{median:.digits$} (nine tenths: {low:.digits$} to {high:.digits$})")
}
