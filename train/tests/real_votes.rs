//! What only real votes can show. They are other people's and not in the repository: these tests run
//! where the environment variable `GALMORPH_SHARED` names a folder that holds them (by default
//! `../shared` next to the repository), and say that they were skipped elsewhere.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use galmorph_cutout::Morphology;
use galmorph_train::Split;
use galmorph_train::votes::{Answer, Convention, Cuts, Sample, Splitter, VoteReader, Votes};

fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("GALMORPH_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let path = folder.join("galaxyzoo").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no {}", path.to_string_lossy());
    None
}

fn select(path: &Path) -> Sample {
    Sample::select(path, &Cuts::zhu2019(), true, None).unwrap()
}

/// The number of galaxies of each class.
fn counts(sample: &Sample) -> [usize; Morphology::COUNT] {
    Morphology::ALL.map(|class| {
        let of_class = |galaxy: &&galmorph_train::votes::Galaxy| galaxy.class == class;
        sample.galaxies.iter().filter(of_class).count()
    })
}

/// All 37 fractions of every galaxy.
fn all_votes(path: &Path) -> (Vec<Answer>, Vec<Votes>) {
    let answers: Vec<Answer> = Answer::all().collect();
    let votes = VoteReader::open(path, &answers, None).unwrap();
    (answers, votes.map(Result::unwrap).collect())
}

/// The labels of the paper's sample, by galaxy.
fn known_labels(path: &Path) -> HashMap<String, usize> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| (row[0].to_owned(), row[1].parse().unwrap()))
        .collect()
}

#[test]
fn kaggles_votes_select_the_known_labels() {
    let (Some(votes), Some(labels)) = (shared("votes_partial.csv"), shared("labels.csv")) else {
        return;
    };
    let known = known_labels(&labels);
    let sample = select(&votes);
    assert_eq!((sample.rows, sample.ambiguous), (12_402, 0));
    let ours: HashMap<&str, usize> = (sample.galaxies.iter())
        .map(|galaxy| (galaxy.id.as_str(), galaxy.class.id()))
        .collect();
    let (_, table) = all_votes(&votes);
    let both = table.iter().filter(|votes| known.contains_key(&votes.id));
    let mut compared = 0;
    for votes in both {
        assert_eq!(
            ours.get(votes.id.as_str()),
            known.get(&votes.id),
            "{}",
            votes.id
        );
        compared += 1;
    }
    println!(
        "{compared} galaxies in both, {} selected",
        sample.galaxies.len()
    );
    assert!(compared > 5000, "{compared}");
}

/// If the tree had a wrong parent, or a column a wrong place, these sums would not come out.
#[test]
fn kaggles_answers_sum_to_the_answer_that_leads_to_their_question() {
    let Some(path) = shared("votes_partial.csv") else {
        return;
    };
    let (answers, table) = all_votes(&path);
    for votes in &table {
        let mut sums: HashMap<String, (f64, f64)> = HashMap::new();
        for (answer, fraction) in answers.iter().zip(&votes.fractions) {
            let column = answer.kaggle_column();
            let question = column.split('.').next().unwrap().to_owned();
            let parent = answer.parent().map_or(1.0, |parent| {
                votes.fractions[answers.iter().position(|a| *a == parent).unwrap()]
            });
            let sum = sums.entry(question).or_insert((0.0, parent));
            sum.0 += fraction;
        }
        for (question, (sum, parent)) in sums {
            assert!(
                (sum - parent).abs() < 1e-4,
                "{} {question}: {sum}, {parent}",
                votes.id
            );
        }
    }
}

/// Kaggle's table made conditional, with the columns of a catalogue.
#[test]
fn the_same_votes_as_conditional_fractions_select_the_same_galaxies() {
    let Some(path) = shared("votes_partial.csv") else {
        return;
    };
    let (answers, table) = all_votes(&path);
    let place = |answer| answers.iter().position(|a| *a == answer).unwrap();
    let columns: Vec<String> = answers.iter().map(|a| a.catalogue_column()).collect();
    let mut catalogue = format!("dr7objid,{}\n", columns.join(","));
    for votes in &table {
        write!(catalogue, "{}", votes.id).unwrap();
        for (answer, fraction) in answers.iter().zip(&votes.fractions) {
            let parent = answer
                .parent()
                .map_or(1.0, |parent| votes.fractions[place(parent)]);
            let conditional = if parent > 0.0 { fraction / parent } else { 0.0 };
            write!(catalogue, ",{}", conditional.min(1.0)).unwrap();
        }
        catalogue.push('\n');
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("catalogue.csv");
    std::fs::write(&file, catalogue).unwrap();
    let (ours, theirs) = (select(&path), select(&file));
    assert!(theirs.source.contains("conditional"), "{}", theirs.source);
    let classes = |sample: &Sample| -> Vec<(String, Morphology)> {
        let row = |galaxy: &galmorph_train::votes::Galaxy| (galaxy.id.clone(), galaxy.class);
        sample.galaxies.iter().map(row).collect()
    };
    assert_eq!(classes(&ours), classes(&theirs));
}

/// `scripts/reference` compares it with what astropy and numpy select. Fractions that were
/// debiased sum to more than 1 for some galaxies, so that eleven are smooth enough for one class and
/// have features enough for another.
#[test]
fn a_real_fits_catalogue_is_read_as_conditional_and_gives_a_sample() {
    let Some(path) = shared("gz2_table5.fits.gz") else {
        return;
    };
    let reader = VoteReader::open(&path, &[], None).unwrap();
    assert_eq!(reader.convention(), Convention::Catalogue);
    assert!(reader.describe().contains("FITS") && reader.describe().ends_with("ids from objid"));

    let sample = select(&path);
    println!("{:?}, {} ambiguous", counts(&sample), sample.ambiguous);
    assert_eq!(sample.rows, 19_761);
    assert_eq!(counts(&sample), [3415, 3924, 635, 693, 2378]);
    assert_eq!(sample.ambiguous, 11);
    let first = &sample.galaxies[0].id;
    assert!(
        first.len() == 19 && first.starts_with("8647474690"),
        "{first}"
    );
    for galaxy in &sample.galaxies {
        let sum: f64 = galaxy.votes.unwrap().iter().sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}

#[test]
fn every_class_of_real_votes_is_split_nine_to_one_give_or_take_chance() {
    for name in ["votes_partial.csv", "gz2_table5.fits.gz"] {
        let Some(path) = shared(name) else { continue };
        let sample = select(&path);
        let splitter = Splitter::new(0.1, 1).unwrap();
        for (class, all) in Morphology::ALL.into_iter().zip(counts(&sample)) {
            let validation = sample.count(class, Split::Validation, &splitter);
            let spread = (all as f64 * 0.1 * 0.9).sqrt();
            let off = (validation as f64 - all as f64 * 0.1) / spread;
            println!("{name} {class}: {validation} of {all}, {off:+.1} sigma");
            assert!(off.abs() < 3.5, "{name} {class}: {validation} of {all}");
        }
    }
}
