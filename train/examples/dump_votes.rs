//! Prints what `select` reads of a table of votes, as CSV: the row, the galaxy's id, and its 37
//! cumulative fractions. `scripts/reference` compares it with what astropy reads.

use std::path::Path;
use std::process::ExitCode;

use galmorph_train::votes::{Answer, VoteReader};

fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("usage: dump_votes FILE");
        return ExitCode::from(2);
    };
    match dump(Path::new(&file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dump_votes: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dump(file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let answers: Vec<Answer> = Answer::all().collect();
    let mut table = csv::Writer::from_writer(std::io::stdout().lock());
    let names = answers.iter().map(|answer| answer.name());
    table.write_record(["row", "id"].into_iter().chain(names))?;
    for votes in VoteReader::open(file, &answers, None)? {
        let votes = votes?;
        let fractions = votes.fractions.iter().map(f64::to_string);
        table.write_record(
            [votes.row.to_string(), votes.id]
                .into_iter()
                .chain(fractions),
        )?;
    }
    table.flush()?;
    Ok(())
}
