//! The decision tree of Galaxy Zoo 2 (Willett et al. 2013, Table 2 and Figure 1): the questions and
//! answers, their names in the published tables, and which answer leads to which question.
//!
//! What a column *means* follows from this one table. It agrees with Kaggle's numbers, where the answers
//! to a question sum to the fraction of the answer that leads to it.

use galmorph_cutout::Morphology;

/// An answer that volunteers could give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Answer {
    question: usize,
    answer: usize,
}

struct Question {
    /// The answer that leads here; `None` if all volunteers (but those who saw a star) are asked.
    after: Option<&'static str>,
    /// The task's name in the catalogues.
    task: &'static str,
    /// Our name and the catalogues' name of each answer.
    answers: &'static [(&'static str, &'static str)],
}

/// The questions in the order of their numbers, as in Kaggle's columns.
const QUESTIONS: [Question; 11] = [
    Question {
        after: None,
        task: "t01_smooth_or_features",
        answers: &[
            ("smooth", "a01_smooth"),
            ("features_or_disk", "a02_features_or_disk"),
            ("star_or_artifact", "a03_star_or_artifact"),
        ],
    },
    Question {
        after: Some("features_or_disk"),
        task: "t02_edgeon",
        answers: &[("edge_on_yes", "a04_yes"), ("edge_on_no", "a05_no")],
    },
    Question {
        after: Some("edge_on_no"),
        task: "t03_bar",
        answers: &[("bar_yes", "a06_bar"), ("bar_no", "a07_no_bar")],
    },
    Question {
        after: Some("edge_on_no"),
        task: "t04_spiral",
        answers: &[("spiral_yes", "a08_spiral"), ("spiral_no", "a09_no_spiral")],
    },
    Question {
        after: Some("edge_on_no"),
        task: "t05_bulge_prominence",
        answers: &[
            ("bulge_none", "a10_no_bulge"),
            ("bulge_just_noticeable", "a11_just_noticeable"),
            ("bulge_obvious", "a12_obvious"),
            ("bulge_dominant", "a13_dominant"),
        ],
    },
    Question {
        after: None,
        task: "t06_odd",
        answers: &[("odd_yes", "a14_yes"), ("odd_no", "a15_no")],
    },
    Question {
        after: Some("smooth"),
        task: "t07_rounded",
        answers: &[
            ("completely_round", "a16_completely_round"),
            ("in_between", "a17_in_between"),
            ("cigar_shaped", "a18_cigar_shaped"),
        ],
    },
    Question {
        after: Some("odd_yes"),
        task: "t08_odd_feature",
        answers: &[
            ("odd_ring", "a19_ring"),
            ("odd_lens_or_arc", "a20_lens_or_arc"),
            ("odd_disturbed", "a21_disturbed"),
            ("odd_irregular", "a22_irregular"),
            ("odd_other", "a23_other"),
            ("odd_merger", "a24_merger"),
            ("odd_dust_lane", "a38_dust_lane"),
        ],
    },
    Question {
        after: Some("edge_on_yes"),
        task: "t09_bulge_shape",
        answers: &[
            ("edge_on_bulge_rounded", "a25_rounded"),
            ("edge_on_bulge_boxy", "a26_boxy"),
            ("edge_on_bulge_none", "a27_no_bulge"),
        ],
    },
    Question {
        after: Some("spiral_yes"),
        task: "t10_arms_winding",
        answers: &[
            ("arms_tight", "a28_tight"),
            ("arms_medium", "a29_medium"),
            ("arms_loose", "a30_loose"),
        ],
    },
    Question {
        after: Some("spiral_yes"),
        task: "t11_arms_number",
        answers: &[
            ("arms_1", "a31_1"),
            ("arms_2", "a32_2"),
            ("arms_3", "a33_3"),
            ("arms_4", "a34_4"),
            ("arms_more_than_4", "a36_more_than_4"),
            ("arms_cant_tell", "a37_cant_tell"),
        ],
    },
];

impl Answer {
    /// All 37 answers, in the order of Kaggle's columns.
    pub fn all() -> impl Iterator<Item = Self> {
        QUESTIONS.iter().enumerate().flat_map(|(question, asked)| {
            (0..asked.answers.len()).map(move |answer| Self { question, answer })
        })
    }

    /// The answer of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|answer| answer.name() == name)
    }

    /// The answer that stands for a class. A volunteer gives at most one of these five.
    pub(super) fn of_class(class: Morphology) -> Self {
        let (question, answer) = match class {
            Morphology::Round => (6, 0),
            Morphology::InBetween => (6, 1),
            Morphology::Cigar => (6, 2),
            Morphology::EdgeOn => (1, 0),
            Morphology::Spiral => (3, 0),
        };
        Self { question, answer }
    }

    /// Its name in a file of cuts.
    pub fn name(self) -> &'static str {
        QUESTIONS[self.question].answers[self.answer].0
    }

    /// The answer that leads to this one's question; `None` if all volunteers are asked.
    pub fn parent(self) -> Option<Self> {
        Self::named(QUESTIONS[self.question].after?)
    }

    /// Kaggle's column: `Class7.1`.
    pub fn kaggle_column(self) -> String {
        format!("Class{}.{}", self.question + 1, self.answer + 1)
    }

    /// The column of its debiased fraction in a Galaxy Zoo 2 catalogue:
    /// `t07_rounded_a16_completely_round_debiased`.
    pub fn catalogue_column(self) -> String {
        let question = &QUESTIONS[self.question];
        format!(
            "{}_{}_debiased",
            question.task, question.answers[self.answer].1
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_have_kaggles_37_columns_and_a_name_each() {
        let columns: Vec<String> = Answer::all().map(Answer::kaggle_column).collect();
        assert_eq!(columns.len(), 37);
        assert_eq!(columns[0], "Class1.1");
        assert_eq!(columns[36], "Class11.6");
        for answer in Answer::all() {
            assert_eq!(Answer::named(answer.name()), Some(answer));
        }
    }

    #[test]
    fn every_question_but_the_first_and_the_odd_one_has_a_parent_that_is_there() {
        for answer in Answer::all() {
            let asked_of_all = matches!(answer.question, 0 | 5);
            assert_eq!(answer.parent().is_none(), asked_of_all, "{}", answer.name());
        }
    }

    #[test]
    fn a_classs_own_answer_is_the_one_that_its_name_says() {
        let names = Morphology::ALL.map(|class| Answer::of_class(class).name());
        let wanted = [
            "completely_round",
            "in_between",
            "cigar_shaped",
            "edge_on_yes",
            "spiral_yes",
        ];
        assert_eq!(names, wanted);
    }
}
