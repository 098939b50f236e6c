//! How far the answers of one network can be trusted.

use galmorph_cutout::Morphology;
use maud::{Markup, html};

use super::cells::{class_name, estimate, fraction, percent, percentage};
use crate::evaluation::{Balanced, ByColumn, Evaluation};
use crate::metrics::{ByLabel, Sets};

/// The calibration of the predictions with one label.
pub(super) fn by_label(labels: &[ByLabel]) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.name scope="col" { "Label" }
                        @for column in ["Images", "Mean confidence", "Right", "Expected calibration error", "If perfectly calibrated"] {
                            th scope="col" { (column) }
                        }
                    }
                }
                tbody {
                    @for found in labels {
                        tr {
                            th.name scope="row" { (name(&found.label)) }
                            td { (found.images) }
                            td { (percent(Some(found.confidence))) }
                            (percentage(Some(found.accuracy)))
                            td { (fraction(Some(found.error))) }
                            (estimate(Some(found.perfect)))
                        }
                    }
                }
            }
        }
    }
}

/// Sets of classes: the coverage that was asked and that was reached.
pub(super) fn coverage(evaluation: &Evaluation) -> Markup {
    let row = |asked: f64, kind: &str, sets: &Sets| {
        html! {
            tr {
                th.name scope="row" { (percent(Some(asked))) small { (kind) } }
                (percentage(Some(sets.all.covered)))
                td { (format!("{:.3}", sets.all.size)) }
                td { (percent(Some(sets.all.single))) }
                @for reached in &sets.of_class.0 {
                    td {
                        @match reached {
                            Some(reached) => {
                                (percent(Some(reached.covered.value)))
                                small { (format!("{:.2} – {:.2}", 100.0 * reached.covered.low, 100.0 * reached.covered.high)) }
                                small { (format!("{:.3} classes", reached.size)) }
                            }
                            None => "–"
                        }
                    }
                }
            }
        }
    };
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.name scope="col" { "Asked" }
                        @for column in ["Reached", "Classes in a set", "Single class"] { th scope="col" { (column) } }
                        @for class in Morphology::ALL { th scope="col" { (class) } }
                    }
                }
                @for report in &evaluation.coverage {
                    tbody.pair {
                        (row(report.asked, "one threshold for all", &report.overall))
                        (row(report.asked, "a threshold for each class", &report.by_class))
                    }
                }
            }
        }
        p.note {
            "A set has the most probable class and each other class whose probability reaches its threshold. Measured on "
            "galaxies that the thresholds were not fitted to. No set is empty, so a coverage below the accuracy is exceeded."
        }
    }
}

/// Samples of each class with a wanted purity.
pub(super) fn samples(evaluation: &Evaluation) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.name scope="col" { "Class" }
                        @for column in ["Wanted purity", "Threshold", "Purity", "Completeness"] { th scope="col" { (column) } }
                    }
                }
                @for curve in &evaluation.purity {
                    tbody {
                        @for level in &curve.levels {
                            tr {
                                th.name scope="row" { (name(&curve.class)) }
                                td { (format!("{:.3}", level.wanted)) }
                                td { (format!("{:.4}", level.threshold)) }
                                (percentage(Some(level.purity)))
                                (percentage(Some(level.completeness)))
                            }
                        }
                    }
                }
            }
        }
        p.note {
            "Measured on galaxies that the thresholds were not fitted to. Purity depends on how common the classes are: "
            "it holds for a survey with the class mix of these galaxies."
        }
    }
}

/// The decision by equal recall beside the most probable class.
pub(super) fn balanced(evaluation: &Evaluation, balanced: &Balanced) -> Markup {
    let confusion = &evaluation.averaged.confusion;
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.name scope="col" { "Class" }
                        @for column in ["Precision", "Recall", "Precision, balanced", "Recall, balanced"] {
                            th scope="col" { (column) }
                        }
                    }
                }
                tbody {
                    @for class in Morphology::ALL {
                        tr {
                            th.name scope="row" { (class_name(class)) }
                            (estimate(confusion.precision(class)))
                            (estimate(confusion.recall(class)))
                            (estimate(balanced.precision[class]))
                            (estimate(balanced.recall[class]))
                        }
                    }
                    tr {
                        th.name scope="row" { "mean recall" }
                        td {} td { (fraction(Some(balanced.mean_recall_of_label))) }
                        td {} td { (fraction(Some(balanced.mean_recall))) }
                    }
                    tr {
                        th.name scope="row" { "accuracy" }
                        td {} (estimate(evaluation.averaged.accuracy))
                        td {} (estimate(balanced.accuracy))
                    }
                }
            }
        }
        p.note { "Balanced: the class that is most probable where all classes are equally common." }
    }
}

/// The accuracy by the values of a column.
pub(super) fn by_column(by: &ByColumn) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.name scope="col" { (by.column) }
                        @for column in ["Images", "Accuracy", "Mean confidence"] { th scope="col" { (column) } }
                    }
                }
                tbody {
                    @for group in &by.groups {
                        tr {
                            th.name scope="row" { (group.name) }
                            td { (group.images) }
                            (percentage(Some(group.accuracy)))
                            td { (percent(Some(group.confidence))) }
                        }
                    }
                }
            }
        }
    }
}

fn name(class: &str) -> Markup {
    class.parse().map_or_else(|_| html! { (class) }, class_name)
}
