//! The metrics of section 5.1 together, each with its interval.

use galmorph_cutout::{Estimate, Morphology};
use serde::{Deserialize, Serialize};

use super::Prediction;
use super::confusion::Confusion;
use super::interval::{Bootstrap, mean, measured};
use super::roc::Ranking;

/// The metrics of one set of predictions. An undefined metric is `null` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The fraction of images that were classified correctly, with Wilson's interval.
    pub accuracy: Option<Estimate>,
    /// The averages over the classes, weighted by class size.
    pub weighted: Weighted,
    /// Each class against the rest, in the order of their ids.
    pub per_class: Vec<ClassMetrics>,
    /// The confusion matrix.
    pub confusion: Confusion,
    /// Each row of the confusion matrix as fractions of its class, with Wilson's intervals.
    pub rates: Vec<Vec<Option<Estimate>>>,
}

/// Averages over the classes, weighted by class size, as in the paper's Tables 4 and 7.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weighted {
    /// Precision, with the percentile bootstrap's interval.
    pub precision: Option<Estimate>,
    /// Recall. Weighted by class size it is the accuracy, and has that interval.
    pub recall: Option<Estimate>,
    /// F1, with the percentile bootstrap's interval.
    pub f1: Option<Estimate>,
    /// The area under the ROC curve, with the percentile bootstrap's interval.
    pub auc: Option<Estimate>,
}

/// One class against the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// The class's short name.
    pub class: String,
    /// The number of images of this class.
    pub images: u64,
    /// The number of images that were given its label.
    pub labelled: u64,
    /// With Wilson's interval.
    pub precision: Option<Estimate>,
    /// With Wilson's interval.
    pub recall: Option<Estimate>,
    /// With the percentile bootstrap's interval.
    pub f1: Option<Estimate>,
    /// The area under the ROC curve, with the percentile bootstrap's interval.
    pub auc: Option<Estimate>,
}

/// The metrics without a closed formula for their intervals.
struct Bootstrapped {
    precision: Option<f64>,
    f1: Option<f64>,
    auc: Option<f64>,
    class_f1: [Option<f64>; Morphology::COUNT],
    class_auc: [Option<f64>; Morphology::COUNT],
}

/// Measures a set of predictions.
pub(crate) fn metrics(predictions: &[Prediction]) -> Metrics {
    let confusion = Confusion::of(predictions);
    let labels: Vec<_> = predictions.iter().map(|p| (p.truth, p.label())).collect();
    let rankings = Morphology::ALL.map(|class| Ranking::new(predictions, class));
    let statistics = |times: &[u32]| {
        let mut confusion = Confusion::default();
        for ((truth, label), times) in labels.iter().zip(times) {
            confusion.add(*truth, *label, u64::from(*times));
        }
        Bootstrapped::of(&confusion, &rankings, times)
    };
    let values = statistics(&vec![1; predictions.len()]);
    let bootstrap = Bootstrap::new(predictions.len(), |times| statistics(times).list());
    let intervals = (0..).map(|number| bootstrap.percentile(number));
    let mut estimates = (values.list().into_iter().zip(intervals))
        .map(|(value, interval)| measured(value, interval));
    let mut next = || estimates.next().flatten();

    let (precision, f1, auc) = (next(), next(), next());
    let per_class = Morphology::ALL
        .into_iter()
        .map(|class| ClassMetrics {
            class: class.name().to_owned(),
            images: confusion.of_class(class),
            labelled: confusion.labelled(class),
            precision: confusion.precision(class),
            recall: confusion.recall(class),
            f1: next(),
            auc: next(),
        })
        .collect();
    let rates = |truth| {
        Morphology::ALL
            .map(|label| confusion.rate(truth, label))
            .to_vec()
    };
    Metrics {
        accuracy: confusion.accuracy(),
        weighted: Weighted {
            precision,
            recall: confusion.accuracy(),
            f1,
            auc,
        },
        per_class,
        rates: Morphology::ALL.map(rates).to_vec(),
        confusion,
    }
}

/// The mean accuracy of several sets of predictions for the same images, such as one for each test scale
/// (the paper's Table 6). The interval is the percentile bootstrap's, which draws all predictions for an
/// image together.
pub(crate) fn mean_accuracy(answers: &[Vec<Prediction>]) -> Option<Estimate> {
    let mut shares = vec![0.0; answers.first()?.len()];
    for predictions in answers {
        for (share, prediction) in shares.iter_mut().zip(predictions) {
            *share += f64::from(u8::from(prediction.is_right())) / answers.len() as f64;
        }
    }
    let bootstrap = Bootstrap::new(shares.len(), |times| vec![mean(&shares, times)]);
    measured(
        mean(&shares, &vec![1; shares.len()]),
        bootstrap.percentile(0),
    )
}

impl Bootstrapped {
    fn of(confusion: &Confusion, rankings: &[Ranking; Morphology::COUNT], times: &[u32]) -> Self {
        let precision = |class| confusion.precision(class).map(|estimate| estimate.value);
        let class_f1 = Morphology::ALL.map(|class| confusion.f1(class));
        let class_auc = rankings.each_ref().map(|ranking| ranking.auc(times));
        Self {
            precision: confusion.weighted_mean(precision),
            f1: confusion.weighted_mean(|class| class_f1[class.id()]),
            auc: confusion.weighted_mean(|class| class_auc[class.id()]),
            class_f1,
            class_auc,
        }
    }

    /// All values: the averages first, then class by class.
    fn list(&self) -> Vec<Option<f64>> {
        let mut list = vec![self.precision, self.f1, self.auc];
        for (f1, auc) in self.class_f1.iter().zip(self.class_auc) {
            list.extend([*f1, auc]);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::prediction;
    use super::*;
    use Morphology::{Cigar, Round, Spiral};

    fn images() -> Vec<Prediction> {
        (0..60_u8)
            .map(|n| {
                let p = 0.5 + f32::from(n) / 150.0;
                let q = 1.0 - p;
                match n % 6 {
                    0..3 => prediction(Round, [p, 0.0, 0.0, 0.0, q]),
                    3..5 => prediction(Spiral, [q, 0.0, 0.0, 0.0, p]),
                    _ => prediction(Spiral, [p, 0.0, 0.0, 0.0, q]),
                }
            })
            .collect()
    }

    #[test]
    fn every_value_lies_in_its_interval_and_belongs_to_its_class() {
        let found = metrics(&images());
        let round = &found.per_class[Round.id()];
        assert_eq!((round.images, round.labelled), (30, 40));
        assert_eq!(round.precision.unwrap().value, 0.75);
        assert_eq!(round.recall.unwrap().value, 1.0);
        assert_eq!(round.f1.unwrap().value, 60.0 / 70.0);
        let spiral = &found.per_class[Spiral.id()];
        assert_eq!(spiral.recall.unwrap().value, 20.0 / 30.0);
        let weighted = &found.weighted;
        assert_eq!(weighted.recall, found.accuracy);
        assert_eq!(weighted.precision.unwrap().value, 0.875);
        let of_classes = [round, spiral].map(|class| [class.precision, class.f1, class.auc]);
        for estimate in of_classes
            .as_flattened()
            .iter()
            .chain(&[weighted.f1, weighted.auc])
        {
            let Estimate { value, low, high } = estimate.unwrap();
            let holds = low < high && low <= value && value <= high;
            assert!(holds, "{estimate:?}");
        }
    }

    #[test]
    fn the_mean_over_scales_is_of_their_accuracies() {
        let first = images();
        let silent = |prediction: &Prediction| Prediction {
            answer: None,
            ..*prediction
        };
        let second = first.iter().map(silent).collect();
        let accuracy = metrics(&first).accuracy.unwrap().value;
        let found = mean_accuracy(&[first, second]).unwrap();
        assert!((found.value - accuracy / 2.0).abs() < 1e-12);
        assert!(found.low < found.value && found.value < found.high);
        assert_eq!(mean_accuracy(&[]), None);
    }

    #[test]
    fn a_class_that_does_not_occur_has_no_metrics() {
        let found = metrics(&images());
        let cigar = &found.per_class[Cigar.id()];
        assert_eq!(cigar.images, 0);
        assert_eq!(
            [cigar.precision, cigar.recall, cigar.f1, cigar.auc],
            [None; 4]
        );
        assert_eq!(found.rates[Cigar.id()], [None; 5]);
        assert_eq!(metrics(&[]).accuracy, None);
    }

    #[test]
    fn the_same_answers_have_the_same_intervals() {
        assert_eq!(metrics(&images()), metrics(&images()));
    }
}
