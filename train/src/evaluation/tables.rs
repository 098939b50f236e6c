//! The paper's Tables 4 to 7, in its layout, with 95 % intervals.
//!
//! Tables 6 and 7 have one row for each evaluation, and below them the paper's own row for every kind of
//! network among them.

use galmorph_cutout::Morphology;

pub use super::layout::Table;
use super::layout::{Cell, Column, Kind};
use super::paper::Figures;
use super::record::Evaluation;
use crate::metrics::{Calibration, Comparison, Difference};

/// The remark below the paper's rows.
const PAPER: &str = "The paper's rows are the best of ten runs, on its own test set.";

/// Table 4: precision, recall and F1 of each class. The paper's table has no AUC. The average is
/// weighted by class size.
pub fn table4(evaluation: &Evaluation) -> Table {
    let columns = vec![
        Column::new("class", "Class", Kind::Plain),
        Column::new("images", "Images", Kind::Plain),
        Column::new("precision", "Precision", Kind::Fraction),
        Column::new("recall", "Recall", Kind::Fraction),
        Column::new("f1", "F1", Kind::Fraction),
        Column::new("auc", "AUC", Kind::Fraction),
    ];
    let title = "Table 4. Precision, recall, F1 and AUC of each class";
    let mut table = Table::new(format!("{title}, {}", conditions(evaluation)), columns);
    for class in &evaluation.averaged.per_class {
        table.row([
            Cell::Text(class.class.clone()),
            Cell::Count(class.images),
            class.precision.into(),
            class.recall.into(),
            class.f1.into(),
            class.auc.into(),
        ]);
    }
    let weighted = &evaluation.averaged.weighted;
    table.row([
        Cell::Text("average".into()),
        Cell::Count(evaluation.images as u64),
        weighted.precision.into(),
        weighted.recall.into(),
        weighted.f1.into(),
        weighted.auc.into(),
    ]);
    table.remark("The average is weighted by class size. In brackets: 95 % intervals.")
}

/// Table 5: the confusion matrix. Rows are the true classes; in CSV each count is followed by its
/// fraction of the row.
pub fn table5(evaluation: &Evaluation) -> Table {
    let metrics = &evaluation.averaged;
    let silent = evaluation.unanswered > 0;
    let mut columns = vec![Column::new("truth", "", Kind::Plain)];
    columns.extend(Morphology::names().map(|name| Column::new(name, name, Kind::Plain)));
    if silent {
        columns.push(Column::new("unanswered", "unanswered", Kind::Plain));
    }
    columns.push(Column::new("recall", "Right (%)", Kind::Percent));
    let title = "Table 5. Confusion matrix";
    let mut table = Table::new(format!("{title}, {}", conditions(evaluation)), columns);
    for class in Morphology::ALL {
        let counts = metrics.confusion.counts[class.id()];
        let mut row = vec![Cell::Text(class.name().to_owned())];
        row.extend(counts.map(Cell::Count));
        if silent {
            row.push(Cell::Count(metrics.confusion.unanswered[class.id()]));
        }
        row.push(metrics.confusion.recall(class).into());
        table.row(row);
    }
    table.remark("Rows are the true classes, columns the predicted ones.")
}

/// Table 6: the accuracy at each test scale, the mean of these (as in the paper), and the accuracy of
/// the answers averaged over the scales.
pub fn table6(evaluations: &[Evaluation]) -> Table {
    let mut scales: Vec<u32> = (evaluations.iter())
        .flat_map(|evaluation| evaluation.test_scales.iter().copied())
        .collect();
    scales.sort_unstable();
    scales.dedup();
    let mut columns = vec![
        Column::new("model", "Model", Kind::Plain),
        Column::new("network", "Network", Kind::Plain),
    ];
    columns.extend(scales.iter().map(|scale| {
        Column::new(
            &format!("accuracy_{scale}"),
            &scale.to_string(),
            Kind::Percent,
        )
    }));
    columns.push(Column::new("mean_of_scales", "Mean", Kind::Percent));
    columns.push(Column::new(
        "accuracy_averaged",
        "Averaged answers",
        Kind::Percent,
    ));
    let title = "Table 6. Accuracy (%) at each test scale";
    let mut table = Table::new(
        format!("{title}{}", common_conditions(evaluations)),
        columns,
    );
    for evaluation in evaluations {
        let mut row = names(evaluation).to_vec();
        row.extend(scales.iter().map(|scale| {
            let at = evaluation.per_scale.iter().find(|at| at.scale == *scale);
            Cell::from(at.and_then(|at| at.metrics.accuracy))
        }));
        row.push(evaluation.mean_of_scales.into());
        row.push(evaluation.averaged.accuracy.into());
        table.row(row);
    }
    for paper in papers(evaluations) {
        let mut row = paper_names(paper).to_vec();
        row.extend(scales.iter().map(|_| Cell::Empty));
        row.push(Cell::Value(paper.mean_of_scales, None));
        row.push(Cell::Empty);
        table.row(row);
    }
    table.remark(PAPER)
}

/// Table 7: accuracy, and precision, recall, F1 and AUC averaged over the classes by their size.
pub fn table7(evaluations: &[Evaluation]) -> Table {
    let columns = vec![
        Column::new("model", "Model", Kind::Plain),
        Column::new("network", "Network", Kind::Plain),
        Column::new("accuracy", "Accuracy (%)", Kind::Percent),
        Column::new("precision", "Precision", Kind::Fraction),
        Column::new("recall", "Recall", Kind::Fraction),
        Column::new("f1", "F1", Kind::Fraction),
        Column::new("auc", "AUC", Kind::Fraction),
    ];
    let title = "Table 7. Accuracy, precision, recall, F1 and AUC";
    let mut table = Table::new(
        format!("{title}{}", common_conditions(evaluations)),
        columns,
    );
    for evaluation in evaluations {
        let weighted = &evaluation.averaged.weighted;
        let values = [
            evaluation.averaged.accuracy,
            weighted.precision,
            weighted.recall,
            weighted.f1,
            weighted.auc,
        ];
        table.row(names(evaluation).into_iter().chain(values.map(Cell::from)));
    }
    for paper in papers(evaluations) {
        let values = [
            paper.accuracy,
            paper.precision,
            paper.recall,
            paper.f1,
            paper.auc,
        ];
        let values = values.map(|value| Cell::Value(value, None));
        table.row(paper_names(paper).into_iter().chain(values));
    }
    table.remark(format!(
        "{PAPER} In this table they are for its best test scale."
    ))
}

/// How well calibrated the confidence is, without and with the model's temperature. The paper has no
/// such table.
pub fn calibration(evaluation: &Evaluation) -> Table {
    let columns = vec![
        Column::new("temperature", "Temperature", Kind::Plain),
        Column::new("calibration_error", "Calibration error", Kind::Fraction),
        Column::new(
            "negative_log_likelihood",
            "Neg. log-likelihood",
            Kind::Fraction,
        ),
        Column::new("brier_score", "Brier score", Kind::Fraction),
    ];
    let title = format!("Calibration, {}", conditions(evaluation));
    let mut table = Table::new(title, columns);
    let report = &evaluation.calibration;
    let row = |temperature: String, found: &Calibration| {
        let values = [
            found.error,
            found.negative_log_likelihood,
            found.brier_score,
        ];
        [Cell::Text(temperature)]
            .into_iter()
            .chain(values.map(|value| Some(value).into()))
    };
    table.row(row("1 (none)".into(), &report.before));
    if report.after.scaling != report.before.scaling {
        let own = format!("{} (the model's)", report.after.scaling);
        table.row(row(own, &report.after));
    }
    if let Some(crossed) = &report.cross_fitted {
        let [even, odd] = crossed.temperatures;
        let biased = if crossed.biased { " and biases" } else { "" };
        let values = [
            crossed.error,
            crossed.negative_log_likelihood,
            crossed.brier_score,
        ];
        table.row(
            [Cell::Text(format!(
                "{even:.3}, {odd:.3}{biased} (cross-fitted)"
            ))]
            .into_iter()
            .chain(values.map(|value| Some(value).into())),
        );
    }
    if let Some(perfect) = report.perfect {
        let nothing = [Cell::Empty, Cell::Empty];
        let row = [
            Cell::Text("if perfectly calibrated".into()),
            Some(perfect).into(),
        ];
        table.row(row.into_iter().chain(nothing));
    }
    let crossed = "Cross-fitted: each half of the images at the temperature fitted on the other half. If \
                   perfectly calibrated: what chance makes of so many images, and where it stays in 95 % of cases.";
    if report.fitted_on_these_images {
        table.remark(format!(
            "The model's temperature was fitted on these same images, so its row is a little too good.\n{crossed}"
        ))
    } else {
        table.remark(crossed)
    }
}

/// Two models on the same images, class by class.
pub(crate) fn comparison(comparison: &Comparison) -> Table {
    let columns = vec![
        Column::new("class", "Class", Kind::Plain),
        Column::new("images", "Images", Kind::Plain),
        Column::new("here", "This model (%)", Kind::Percent),
        Column::new("there", "The other (%)", Kind::Percent),
        Column::new("difference", "Difference (points)", Kind::Percent),
        Column::new("only_here", "Only this right", Kind::Plain),
        Column::new("only_there", "Only the other", Kind::Plain),
        Column::new("p_value", "p", Kind::Fraction),
    ];
    let mut table = Table::new("Compared image by image".into(), columns);
    let row = |name: &str, found: &Difference| {
        [
            Cell::Text(name.to_owned()),
            Cell::Count(found.images),
            Cell::Value(found.here, None),
            Cell::Value(found.there, None),
            Some(found.advantage).into(),
            Cell::Count(found.only_here),
            Cell::Count(found.only_there),
            Cell::Value(found.p_value, None),
        ]
    };
    for (class, found) in Morphology::ALL.iter().zip(&comparison.per_class) {
        if let Some(found) = found {
            table.row(row(class.name(), found));
        }
    }
    table.row(row("all", &comparison.all));
    let mean = [
        Cell::Text("mean of classes".into()),
        Cell::Empty,
        Cell::Empty,
        Cell::Empty,
        Some(comparison.mean_recall).into(),
        Cell::Empty,
        Cell::Empty,
        Cell::Empty,
    ];
    table.row(mean);
    table.remark("In brackets: the bootstrap's 95 % interval. p: McNemar's exact test, two-sided.")
}

/// What an evaluation was made on, for a title.
pub(crate) fn conditions(evaluation: &Evaluation) -> String {
    let scales: Vec<String> = evaluation.test_scales.iter().map(u32::to_string).collect();
    let symmetries = match evaluation.symmetries {
        1 => String::new(),
        count => format!(", {count} symmetries"),
    };
    format!(
        "{} {} images, answers averaged over the test scales {}{symmetries}",
        evaluation.images,
        evaluation.split,
        scales.join(", ")
    )
}

/// What all evaluations were made on; empty if they differ.
fn common_conditions(evaluations: &[Evaluation]) -> String {
    match evaluations {
        [first, others @ ..] if others.iter().all(|e| conditions(e) == conditions(first)) => {
            format!(", {}", conditions(first))
        }
        _ => String::new(),
    }
}

fn names(evaluation: &Evaluation) -> [Cell; 2] {
    let subject = &evaluation.subject;
    [&subject.model, &subject.network].map(|name| Cell::Text(name.clone()))
}

fn paper_names(paper: &Figures) -> [Cell; 2] {
    ["paper", &paper.model].map(|name| Cell::Text(name.to_owned()))
}

/// The paper's rows for the kinds of network among these, each once.
fn papers(evaluations: &[Evaluation]) -> Vec<&Figures> {
    let mut papers: Vec<&Figures> = Vec::new();
    for paper in evaluations.iter().filter_map(|e| e.paper.as_ref()) {
        if !papers.iter().any(|other| other.model == paper.model) {
            papers.push(paper);
        }
    }
    papers
}
