//! Tables that say how far answers can be trusted. The paper has none of them.

use galmorph_cutout::{Estimate, Morphology};

use super::layout::{Cell, Column, Kind, Table};
use super::record::Evaluation;
use super::tables::conditions;
use crate::metrics::{CoverageReport, Sets};

/// The purities that are printed; the file has all.
const PRINTED: [f64; 4] = [0.9, 0.95, 0.98, 0.99];

/// What holds for thresholds, in a remark.
const ELSEWHERE: &str = "Measured on galaxies that the thresholds were not fitted to: each fifth of them at the thresholds \
                         of the other four.";

/// The calibration of the predictions with one label.
pub(crate) fn by_label(evaluation: &Evaluation) -> Table {
    let columns = vec![
        Column::new("label", "Label", Kind::Plain),
        Column::new("images", "Images", Kind::Plain),
        Column::new("confidence", "Mean confidence (%)", Kind::Percent),
        Column::new("accuracy", "Right (%)", Kind::Percent),
        Column::new("calibration_error", "Calibration error", Kind::Fraction),
        Column::new("perfect", "If perfectly calibrated", Kind::Fraction),
    ];
    let title = format!("Calibration of each label, {}", conditions(evaluation));
    let mut table = Table::new(title, columns);
    for found in &evaluation.calibration.by_label {
        table.row([
            Cell::Text(found.label.clone()),
            Cell::Count(found.images),
            Cell::Value(found.confidence, None),
            Some(found.accuracy).into(),
            Cell::Value(found.error, None),
            Some(found.perfect).into(),
        ]);
    }
    table
}

/// Sets of classes: the coverage that was asked and that was reached. With one row for each coverage and
/// kind of thresholds, for people.
pub(crate) fn coverage(evaluation: &Evaluation) -> Table {
    let mut columns = vec![
        Column::new("asked", "Asked (%)", Kind::Percent),
        Column::new("thresholds", "Thresholds", Kind::Plain),
        Column::new("size", "Classes in a set", Kind::Fraction),
        Column::new("single", "Single class (%)", Kind::Percent),
        Column::new("covered", "Covered (%)", Kind::Percent),
    ];
    columns.extend(Morphology::names().map(|name| Column::new(name, name, Kind::Percent)));
    let title = format!("Sets of classes, {}", conditions(evaluation));
    let mut table = Table::new(title, columns);
    for (report, kind, sets) in all_sets(&evaluation.coverage) {
        let mut row = vec![
            Cell::Value(report.asked, None),
            Cell::Text(kind.into()),
            Cell::Value(sets.all.size, None),
            Cell::Value(sets.all.single, None),
            Some(sets.all.covered).into(),
        ];
        let of_class = sets.of_class.0.iter();
        row.extend(of_class.map(|reached| Cell::from(reached.as_ref().map(|r| r.covered))));
        table.row(row);
    }
    table.remark(ELSEWHERE)
}

/// The same with one row for each class, too.
pub(crate) fn coverage_by_class(evaluation: &Evaluation) -> Table {
    let columns = vec![
        Column::new("asked", "Asked", Kind::Plain),
        Column::new("thresholds", "Thresholds", Kind::Plain),
        Column::new("class", "Class", Kind::Plain),
        Column::new("images", "Images", Kind::Plain),
        Column::new("covered", "Covered", Kind::Fraction),
        Column::new("size", "Classes in a set", Kind::Plain),
        Column::new("single", "Single class", Kind::Plain),
    ];
    let mut table = Table::new("Sets of classes".into(), columns);
    for (report, kind, sets) in all_sets(&evaluation.coverage) {
        let classes = sets.of_class.iter();
        let classes =
            classes.filter_map(|(class, reached)| Some((class.name(), reached.as_ref()?)));
        for (name, reached) in classes.chain([("all", &sets.all)]) {
            table.row([
                Cell::Value(report.asked, None),
                Cell::Text(kind.into()),
                Cell::Text(name.into()),
                Cell::Count(reached.images),
                Some(reached.covered).into(),
                Cell::Value(reached.size, None),
                Cell::Value(reached.single, None),
            ]);
        }
    }
    table
}

fn all_sets(reports: &[CoverageReport]) -> Vec<(&CoverageReport, &'static str, &Sets)> {
    let mut all = Vec::new();
    for report in reports {
        all.push((report, "for all", &report.overall));
        all.push((report, "by class", &report.by_class));
    }
    all
}

/// Samples of one class with a wanted purity, for people.
pub(crate) fn purity(evaluation: &Evaluation) -> Table {
    samples(evaluation, |wanted| PRINTED.contains(&wanted))
}

/// The same for all purities.
pub(crate) fn all_purities(evaluation: &Evaluation) -> Table {
    samples(evaluation, |_| true)
}

fn samples(evaluation: &Evaluation, is_shown: impl Fn(f64) -> bool) -> Table {
    let columns = vec![
        Column::new("class", "Class", Kind::Plain),
        Column::new("wanted", "Wanted purity", Kind::Plain),
        Column::new("threshold", "Threshold", Kind::Plain),
        Column::new("purity", "Purity (%)", Kind::Percent),
        Column::new("completeness", "Completeness (%)", Kind::Percent),
    ];
    let title = format!("Samples of one class, {}", conditions(evaluation));
    let mut table = Table::new(title, columns);
    for curve in &evaluation.purity {
        for level in curve.levels.iter().filter(|level| is_shown(level.wanted)) {
            table.row([
                Cell::Text(curve.class.clone()),
                Cell::Value(level.wanted, None),
                Cell::Value(level.threshold, None),
                Some(level.purity).into(),
                Some(level.completeness).into(),
            ]);
        }
    }
    table.remark(format!(
        "A sample has the galaxies whose probability of the class reaches the threshold.\n{ELSEWHERE}"
    ))
}

/// The decision by equal recall; `None` if it could not be measured.
pub(crate) fn balanced(evaluation: &Evaluation) -> Option<Table> {
    let found = evaluation.balanced.as_ref()?;
    let columns = vec![
        Column::new("class", "Class", Kind::Plain),
        Column::new("label_precision", "Label: precision", Kind::Fraction),
        Column::new("label_recall", "recall", Kind::Fraction),
        Column::new("balanced_precision", "Balanced: precision", Kind::Fraction),
        Column::new("balanced_recall", "recall", Kind::Fraction),
    ];
    let title = format!("Decision by equal recall, {}", conditions(evaluation));
    let mut table = Table::new(title, columns);
    let confusion = &evaluation.averaged.confusion;
    for class in Morphology::ALL {
        table.row([
            Cell::Text(class.name().into()),
            confusion.precision(class).into(),
            confusion.recall(class).into(),
            found.precision[class].into(),
            found.recall[class].into(),
        ]);
    }
    table.row([
        Cell::Text("mean recall".into()),
        Cell::Empty,
        Cell::Value(found.mean_recall_of_label, None),
        Cell::Empty,
        Cell::Value(found.mean_recall, None),
    ]);
    let accuracy = |estimate: Option<Estimate>| Cell::from(estimate);
    table.row([
        Cell::Text("accuracy".into()),
        Cell::Empty,
        accuracy(evaluation.averaged.accuracy),
        Cell::Empty,
        accuracy(found.accuracy),
    ]);
    Some(table.remark(
        "Label: the most probable class. Balanced: the class that is most probable where all are equally common.",
    ))
}
