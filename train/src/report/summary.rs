//! All networks in one table, with the paper's Table 7.

use maud::{Markup, html};

use super::cells::{estimate, fraction, millions, percent, percentage};
use crate::evaluation::{Evaluation, Figures};
use crate::figures::Evaluated;

/// One row for each network, and below it the paper's row for its kind.
pub(super) fn html(networks: &[Evaluated]) -> Markup {
    let evaluations: Vec<&Evaluation> = networks.iter().map(|one| &one.evaluation).collect();
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.name scope="col" { "Network" }
                        th scope="col" { "Images" }
                        @for column in ["Accuracy", "Mean of scales", "Precision", "Recall", "F1", "AUC", "Parameters"] {
                            th scope="col" { (column) }
                        }
                    }
                }
                @for evaluation in &evaluations {
                    tbody.pair {
                        (ours(evaluation))
                        @if let Some(figures) = &evaluation.paper { (papers(figures)) }
                    }
                }
            }
        }
        p.note {
            "Accuracy is that of the answers averaged over the test scales; the mean of scales is the mean of the "
            "accuracies at each (the paper's Table 6). Precision, recall, F1 and AUC are averages over the classes, "
            "weighted by class size. Below each value is its 95 % interval. The paper's numbers are for its own test "
            "set of 2,879 galaxies, and for the best of ten runs at the best single scale (Table 7): they are not "
            "for the same galaxies as ours."
        }
    }
}

fn ours(evaluation: &Evaluation) -> Markup {
    let metrics = &evaluation.averaged;
    html! {
        tr {
            th.name scope="row" {
                (evaluation.subject.model)
                small { (evaluation.subject.network) }
            }
            td { (evaluation.images) small { (evaluation.split) } }
            (percentage(metrics.accuracy))
            (percentage(evaluation.mean_of_scales))
            (estimate(metrics.weighted.precision))
            (estimate(metrics.weighted.recall))
            (estimate(metrics.weighted.f1))
            (estimate(metrics.weighted.auc))
            td { (millions(evaluation.subject.parameters)) }
        }
    }
}

fn papers(figures: &Figures) -> Markup {
    html! {
        tr.paper {
            td.name { "the paper's " (figures.model) }
            td {}
            td { (percent(Some(figures.accuracy))) }
            td { (percent(Some(figures.mean_of_scales))) }
            td { (fraction(Some(figures.precision))) }
            td { (fraction(Some(figures.recall))) }
            td { (fraction(Some(figures.f1))) }
            td { (fraction(Some(figures.auc))) }
            td {}
        }
    }
}
