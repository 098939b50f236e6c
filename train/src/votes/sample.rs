//! The clean sample of a table of votes, and its label file.

use std::path::Path;

use galmorph_cutout::Morphology;
use galmorph_output::readable;

use super::cuts::{Cuts, Verdict};
use super::reader::VoteReader;
use super::split::Splitter;
use super::tree::Answer;
use crate::csv_bytes::csv_bytes;
use crate::data::{Split, vote_column};
use crate::error::{Error, Result};

/// The clean sample of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Which file was read, and how its fractions were understood.
    pub source: String,
    /// The number of rows of the table.
    pub rows: u64,
    /// Rows that meet the cuts of two or more classes. They are left out.
    pub ambiguous: u64,
    /// Rows that meet the cuts of no class. They are left out, too.
    pub unclassified: u64,
    /// The other rows, in the order of the table.
    pub galaxies: Vec<Galaxy>,
}

/// A clean example of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Galaxy {
    /// Its id.
    pub id: String,
    /// Its class.
    pub class: Morphology,
    /// The votes for each class, which sum to 1; `None` without soft targets.
    pub votes: Option<[f64; Morphology::COUNT]>,
}

impl Sample {
    /// Applies cuts to a table of votes.
    ///
    /// With `soft_targets`, each galaxy gets its votes for the five classes: the cumulative fractions of
    /// the answers `completely_round`, `in_between`, `cigar_shaped`, `edge_on_yes` and `spiral_yes`,
    /// divided by their sum. A volunteer gives at most one of these five answers, and each of them
    /// stands for one class. The division leaves out the votes for no class of ours: a star or an
    /// artifact, and a disk without spiral arms that is not seen edge-on.
    ///
    /// # Errors
    /// Names the file, the row and the column of a fault. A sample without a galaxy is an error, too.
    pub fn select(
        votes: &Path,
        cuts: &Cuts,
        soft_targets: bool,
        id_column: Option<&str>,
    ) -> Result<Self> {
        let own = Morphology::ALL.map(Answer::of_class);
        let mut answers = cuts.answers();
        if soft_targets {
            // Those of them that the cuts don't ask for already.
            answers.extend(own.iter().filter(|own| !cuts.answers().contains(own)));
        }
        let reader = VoteReader::open(votes, &answers, id_column)?;
        let mut sample = Self {
            source: reader.describe(),
            rows: 0,
            ambiguous: 0,
            unclassified: 0,
            galaxies: Vec::new(),
        };
        for galaxy in reader {
            let galaxy = galaxy?;
            let fraction = |answer: Answer| {
                let place = answers.iter().position(|known| *known == answer);
                place.map_or(0.0, |place| galaxy.fractions[place])
            };
            sample.rows += 1;
            let class = match cuts.verdict(fraction) {
                Verdict::Class(class) => class,
                Verdict::Ambiguous => {
                    sample.ambiguous += 1;
                    continue;
                }
                Verdict::Unclassified => {
                    sample.unclassified += 1;
                    continue;
                }
            };
            let votes = if soft_targets {
                Some(shares(own.map(fraction)).ok_or_else(|| {
                    Error::Input(format!(
                        "'{}' row {}: galaxy {} has no vote for any class, so no soft targets",
                        readable(votes),
                        galaxy.row,
                        galaxy.id
                    ))
                })?)
            } else {
                None
            };
            sample.galaxies.push(Galaxy {
                id: galaxy.id,
                class,
                votes,
            });
        }
        if sample.galaxies.is_empty() {
            return Err(Error::Input(format!(
                "none of the {} galaxies in '{}' meets the cuts of '{}'",
                sample.rows,
                readable(votes),
                cuts.name()
            )));
        }
        Ok(sample)
    }

    /// The number of galaxies of a class in a split.
    pub fn count(&self, class: Morphology, split: Split, splitter: &Splitter) -> usize {
        (self.galaxies.iter())
            .filter(|galaxy| galaxy.class == class && splitter.split(&galaxy.id) == split)
            .count()
    }

    /// The label file: `GalaxyID,label,split` and, with soft targets, `p_round` to `p_spiral`. One row a
    /// galaxy, in the order of the table.
    pub fn to_csv(&self, splitter: &Splitter) -> Vec<u8> {
        let mut header = ["GalaxyID", "label", "split"].map(String::from).to_vec();
        if self.galaxies.iter().any(|galaxy| galaxy.votes.is_some()) {
            header.extend(Morphology::ALL.map(vote_column));
        }
        let rows = self.galaxies.iter().map(|galaxy| {
            let mut row = vec![
                galaxy.id.clone(),
                galaxy.class.id().to_string(),
                splitter.split(&galaxy.id).to_string(),
            ];
            let votes = galaxy.votes.iter().flatten();
            row.extend(votes.map(|vote| format!("{vote:.6}")));
            row
        });
        csv_bytes(header, rows)
    }
}

/// Votes divided by their sum; `None` if that is 0.
fn shares(votes: [f64; Morphology::COUNT]) -> Option<[f64; Morphology::COUNT]> {
    let sum: f64 = votes.iter().sum();
    (sum > 0.0).then(|| votes.map(|vote| vote / sum))
}
