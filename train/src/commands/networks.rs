//! `galmorph-train networks`

use std::fmt::Write;

use super::print;
use crate::error::Result;
use crate::network::Architecture;

pub(super) fn run() -> Result<()> {
    print(&table())
}

/// One row a network. Its first word is the network's name, which `scripts/train-networks` reads.
fn table() -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let mut line = |[network, learned, multiply_adds]: [&str; 3]| {
        let _ = writeln!(text, "{network:<26}{learned:>12}{multiply_adds:>22}");
    };
    line(["network", "parameters", "multiply-adds a view"]);
    for architecture in Architecture::all() {
        let network = architecture.describe();
        line([
            &architecture.to_string(),
            &format!("{:.1} M", network.learned_values() as f64 / 1e6),
            &format!("{:.0} M", network.multiply_adds() as f64 / 1e6),
        ]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_a_row_that_begins_with_its_name() {
        let table = table();
        let names: Vec<&str> = (table.lines().skip(1))
            .filter_map(|row| row.split_whitespace().next())
            .collect();
        let wanted: Vec<&str> = Architecture::all().map(|network| network.name()).collect();
        assert_eq!(names, wanted);
        assert!(table.contains("zhu2019 k=2 N=2 drop=0          55.7 M                2096 M"));
    }
}
