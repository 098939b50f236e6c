//! Everything that was measured of one network.

use galmorph_cutout::Morphology;
use maud::{Markup, html};

use super::cells::{class_name, estimate, millions, percent, percentage};
use super::{Captioned, trust};
use crate::error::Result;
use crate::evaluation::Evaluation;
use crate::figures::{self, Evaluated};
use crate::metrics::Calibration;

/// The section's contents: facts, tables, curves.
pub(super) fn html(evaluated: &Evaluated) -> Result<Markup> {
    let evaluation = &evaluated.evaluation;
    let roc = figures::roc(&evaluated.roc())?;
    let reliability = figures::reliability(&evaluated.reliability())?;
    let curves = if evaluation.history.is_empty() {
        None
    } else {
        Some(figures::training_curves(&evaluation.history)?)
    };
    let samples = match &evaluation.purity[..] {
        [] => None,
        curves => Some(figures::purity(curves)?),
    };
    Ok(html! {
        (facts(evaluation))
        h3 { "Each class" }
        (classes(evaluation))
        h3 { "Confusion matrix" }
        (confusion(evaluation))
        h3 { "Each test scale" }
        (scales(evaluation))
        h3 { "ROC" }
        (Captioned::new(roc, "ROC curves, each class against all others, of the answers averaged over the test scales (Figure 9).").html())
        h3 { "Calibration" }
        (calibration(evaluation))
        (Captioned::new(reliability, "How often predictions of a confidence are correct, with 95 % intervals. Points on the diagonal are perfectly calibrated.").html())
        @if !evaluation.coverage.is_empty() {
            h3 { "Sets of classes" }
            (trust::coverage(evaluation))
        }
        @if let Some(samples) = samples {
            h3 { "Samples of one class" }
            (trust::samples(evaluation))
            (Captioned::new(samples, "What a sample of a class comes to that takes the galaxies above a threshold of its probability, on all these galaxies.").html())
        }
        @if let Some(balanced) = &evaluation.balanced {
            h3 { "Decision by equal recall" }
            (trust::balanced(evaluation, balanced))
        }
        @for by in &evaluation.by {
            h3 { "Accuracy by " (by.column) }
            (trust::by_column(by))
        }
        h3 { "Training" }
        @if let Some(curves) = curves {
            (Captioned::new(curves, "Loss and accuracy of the training views, accuracy of the averaged weights on the validation split, and learning rate.").html())
        } @else {
            p.note { "An exported model has no record of its epochs; evaluate the run's checkpoint to see them." }
        }
    })
}

fn facts(evaluation: &Evaluation) -> Markup {
    let subject = &evaluation.subject;
    let scales: Vec<String> = evaluation.test_scales.iter().map(u32::to_string).collect();
    html! {
        dl.facts {
            dt { "Network" } dd { (subject.network) }
            dt { "Parameters" } dd { (millions(subject.parameters)) }
            dt { "Multiply-adds a view" } dd { (millions(subject.multiply_adds)) }
            dt { "Temperature" } dd { (subject.scaling) }
            dt { "Measured on" } dd {
                (evaluation.images) " galaxies (" (evaluation.split) ")"
                @if evaluation.unanswered > 0 { ", " (evaluation.unanswered) " of them without an answer" }
            }
            dt { "Test scales" } dd {
                (scales.join(", ")) " pixels"
                @if evaluation.symmetries > 1 { ", each in " (evaluation.symmetries) " positions" }
            }
            dt { "Digest of the data" } dd { code { (evaluation.data_digest) } }
        }
    }
}

fn classes(evaluation: &Evaluation) -> Markup {
    let metrics = &evaluation.averaged;
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.name scope="col" { "Class" }
                        @for column in ["Images", "Precision", "Recall", "F1", "AUC"] {
                            th scope="col" { (column) }
                        }
                    }
                }
                tbody {
                    @for (class, measured) in Morphology::ALL.into_iter().zip(&metrics.per_class) {
                        tr {
                            th.name scope="row" { (class_name(class)) }
                            td { (measured.images) }
                            (estimate(measured.precision))
                            (estimate(measured.recall))
                            (estimate(measured.f1))
                            (estimate(measured.auc))
                        }
                    }
                    tr {
                        th.name scope="row" { "weighted average" }
                        td { (evaluation.images) }
                        (estimate(metrics.weighted.precision))
                        (estimate(metrics.weighted.recall))
                        (estimate(metrics.weighted.f1))
                        (estimate(metrics.weighted.auc))
                    }
                }
            }
        }
    }
}

fn confusion(evaluation: &Evaluation) -> Markup {
    let confusion = &evaluation.averaged.confusion;
    html! {
        div.scroll {
            table.confusion {
                thead {
                    tr {
                        th.name scope="col" { "True class \\ predicted" }
                        @for class in Morphology::ALL { th scope="col" { (class) } }
                        @if evaluation.unanswered > 0 { th scope="col" { "none" } }
                    }
                }
                tbody {
                    @for truth in Morphology::ALL {
                        tr {
                            th.name scope="row" { (class_name(truth)) }
                            @for label in Morphology::ALL {
                                (heat(confusion.counts[truth.id()][label.id()], confusion.of_class(truth)))
                            }
                            @if evaluation.unanswered > 0 { td { (confusion.unanswered[truth.id()]) } }
                        }
                    }
                }
            }
        }
        p.note { "Rows are the true classes, columns the predicted ones. The shade is the fraction of the row." }
    }
}

/// A cell of the confusion matrix. The larger its fraction of the row, the darker it is.
fn heat(count: u64, of: u64) -> Markup {
    let part = (of > 0).then(|| count as f64 / of as f64);
    let shade = part.unwrap_or(0.0);
    html! {
        td.sure[shade > 0.75] style=(format!("background:rgba(0,90,160,{shade:.3})")) {
            (count)
            small { (percent(part)) }
        }
    }
}

fn scales(evaluation: &Evaluation) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.name scope="col" { "Test scale" }
                        @for column in ["Accuracy", "Precision", "F1", "AUC"] { th scope="col" { (column) } }
                    }
                }
                tbody {
                    @for at in &evaluation.per_scale {
                        tr {
                            th.name scope="row" { (at.scale) " pixels" }
                            (percentage(at.metrics.accuracy))
                            (estimate(at.metrics.weighted.precision))
                            (estimate(at.metrics.weighted.f1))
                            (estimate(at.metrics.weighted.auc))
                        }
                    }
                    tr {
                        th.name scope="row" { "averaged answers" }
                        (percentage(evaluation.averaged.accuracy))
                        (estimate(evaluation.averaged.weighted.precision))
                        (estimate(evaluation.averaged.weighted.f1))
                        (estimate(evaluation.averaged.weighted.auc))
                    }
                }
            }
        }
    }
}

fn calibration(evaluation: &Evaluation) -> Markup {
    let report = &evaluation.calibration;
    let row = |name: &str, calibration: &Calibration| {
        html! {
            tr {
                th.name scope="row" { (name) }
                td { (calibration.scaling) }
                (estimate(Some(calibration.error)))
                (estimate(Some(calibration.negative_log_likelihood)))
                (estimate(Some(calibration.brier_score)))
            }
        }
    };
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.name scope="col" { "Answers" }
                        @for column in ["Temperature", "Expected calibration error", "Negative log-likelihood (nats)", "Brier score"] {
                            th scope="col" { (column) }
                        }
                    }
                }
                tbody {
                    (row("as trained", &report.before))
                    (row("at the model's temperature", &report.after))
                    @if let Some(crossed) = &report.cross_fitted {
                        tr {
                            th.name scope="row" { "cross-fitted" }
                            td { (format!("{:.3}, {:.3}", crossed.temperatures[0], crossed.temperatures[1])) @if crossed.biased { " and biases" } }
                            (estimate(Some(crossed.error)))
                            (estimate(Some(crossed.negative_log_likelihood)))
                            (estimate(Some(crossed.brier_score)))
                        }
                    }
                    @if let Some(perfect) = report.perfect {
                        tr {
                            th.name scope="row" { "if perfectly calibrated" }
                            td {}
                            (estimate(Some(perfect)))
                            td {} td {}
                        }
                    }
                }
            }
        }
        @if report.perfect.is_some() {
            p.note {
                "On so many galaxies even a perfectly calibrated network has an error, by chance: the last row has its mean, "
                "and the range of 95 % of cases."
            }
        }
        @if !report.by_label.is_empty() { (trust::by_label(&report.by_label)) }
        @if report.fitted_on_these_images {
            p.note {
                "The temperature was fitted on these same galaxies, so its row is a little too good. The cross-fitted "
                "row takes each half at the temperature fitted on the other half."
            }
        }
    }
}
