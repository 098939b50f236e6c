//! The numbers that Zhu et al. 2019 report, to compare with.
//!
//! They are for the paper's own test set (2,879 galaxies, one of them counted twice), and for the best
//! of ten runs. Table 6 has the mean of the accuracies at the test scales, Table 7 the best single
//! scale.

use galmorph_cutout::Morphology;
use serde::{Deserialize, Serialize};

/// What the paper reports of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// The paper's name for the network.
    pub(crate) model: String,
    /// Table 6: the mean of the accuracies at the test scales, as a fraction.
    pub(crate) mean_of_scales: f64,
    /// Table 7: accuracy, as a fraction.
    pub(crate) accuracy: f64,
    /// Table 7: precision.
    pub(crate) precision: f64,
    /// Table 7: recall.
    pub(crate) recall: f64,
    /// Table 7: F1.
    pub(crate) f1: f64,
    /// Table 7: the area under the ROC curve.
    pub(crate) auc: f64,
    /// Table 4: precision, recall and F1 of each class; only for the paper's own network.
    pub(crate) per_class: Option<[[f64; 3]; Morphology::COUNT]>,
    /// Table 5: the confusion matrix, whose rows are the true classes; only for the paper's own network.
    pub(crate) confusion: Option<[[u64; Morphology::COUNT]; Morphology::COUNT]>,
}

/// The paper's name of a network, our name of it, and its rows of Tables 6 and 7: mean over scales,
/// accuracy, precision, recall, F1, AUC.
type Rows = (&'static str, &'static str, [f64; 6]);

/// The networks that the paper compares. The mean over scales (Table 6) has the digits of the text of
/// section 5.2.
const NETWORKS: [Rows; 6] = [
    (
        "Dieleman",
        "dieleman",
        [0.938_800, 0.946_528, 0.9455, 0.9465, 0.9456, 0.9793],
    ),
    (
        "AlexNet",
        "alexnet",
        [0.918_230, 0.922_569, 0.9207, 0.9226, 0.9215, 0.9809],
    ),
    (
        "VGG-16",
        "vgg16",
        [0.931_336, 0.936_458, 0.9348, 0.9365, 0.9353, 0.9846],
    ),
    (
        "Inception-v3",
        "inception-v3",
        [0.942_014, 0.945_139, 0.9447, 0.9451, 0.9448, 0.9852],
    ),
    (
        "ResNet-50",
        "resnet50-v2",
        [0.940_972, 0.946_875, 0.9458, 0.9469, 0.9461, 0.9823],
    ),
    (
        OURS,
        "zhu2019",
        [0.946_875, 0.952_083, 0.9512, 0.9521, 0.9515, 0.9823],
    ),
];

const OURS: &str = "Zhu et al.";

/// Table 4.
const PER_CLASS: [[f64; 3]; Morphology::COUNT] = [
    [0.9611, 0.9634, 0.9622],
    [0.9561, 0.9431, 0.9495],
    [0.7234, 0.5862, 0.6476],
    [0.9412, 0.9485, 0.9448],
    [0.9573, 0.9782, 0.9677],
];

/// Table 5. Its caption swaps rows and columns: the row sums here are the class sizes, and Table 4
/// follows from the numbers as they stand.
const CONFUSION: [[u64; Morphology::COUNT]; Morphology::COUNT] = [
    [815, 21, 0, 0, 10],
    [29, 762, 0, 0, 17],
    [0, 4, 34, 18, 2],
    [0, 3, 12, 368, 5],
    [4, 7, 1, 5, 763],
];

/// What the paper reports of a network, whatever its hyperparameters: `zhu2019 k=0.25 N=2` is compared
/// with the paper's own network, which is wider. `network` is an
/// [`Architecture`](crate::network::Architecture) as text.
pub(super) fn figures(network: &str) -> Option<Figures> {
    let name = network.split_whitespace().next()?;
    let (model, _, row) = NETWORKS.into_iter().find(|(_, ours, _)| *ours == name)?;
    let [mean_of_scales, accuracy, precision, recall, f1, auc] = row;
    Some(Figures {
        model: model.to_owned(),
        mean_of_scales,
        accuracy,
        precision,
        recall,
        f1,
        auc,
        per_class: (model == OURS).then_some(PER_CLASS),
        confusion: (model == OURS).then_some(CONFUSION),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Confusion;
    use crate::network::Architecture;

    #[test]
    fn our_metrics_of_the_papers_table_5_are_its_tables_4_and_7() {
        let paper = figures("zhu2019 k=2 N=2 drop=0").unwrap();
        let confusion = Confusion {
            counts: paper.confusion.unwrap(),
            ..Confusion::default()
        };
        let near = |ours: Option<f64>, printed: f64| {
            // The paper prints four digits, and rounds 0.95615 up.
            assert!(
                (ours.unwrap() - printed).abs() < 1e-4,
                "{ours:?}, {printed}"
            );
        };
        let precision = |class| confusion.precision(class).map(|estimate| estimate.value);
        let recall = |class| confusion.recall(class).map(|estimate| estimate.value);
        let f1 = |class| confusion.f1(class);
        for (class, printed) in Morphology::ALL.into_iter().zip(paper.per_class.unwrap()) {
            near(precision(class), printed[0]);
            near(recall(class), printed[1]);
            near(f1(class), printed[2]);
        }
        near(confusion.weighted_mean(precision), paper.precision);
        near(confusion.weighted_mean(recall), paper.recall);
        near(confusion.weighted_mean(f1), paper.f1);
        let accuracy = confusion.accuracy().unwrap();
        near(Some(accuracy.value), paper.accuracy);
        near(Some(accuracy.low), 0.9437);
        near(Some(accuracy.high), 0.9593);
    }

    #[test]
    fn a_network_is_compared_with_its_own_kind() {
        assert_eq!(figures("vgg16 drop=0.5").unwrap().model, "VGG-16");
        assert_eq!(figures("resnet50-v2").unwrap().accuracy, 0.946_875);
        assert_eq!(figures("transformer"), None);
    }

    #[test]
    fn every_network_of_the_paper_is_one_of_ours() {
        for (paper, ours, _) in NETWORKS {
            let architecture = Architecture::all().find(|network| network.name() == ours);
            let text = architecture.unwrap().to_string();
            assert_eq!(figures(&text).unwrap().model, paper);
        }
    }
}
