//! The views: `catalog`, `rejected`, `probability`, `classification`, `in_class_mix` and `night`.

use std::fmt::Write as _;

use galmorph_cutout::Morphology;

use super::tables::{FILE, answer_columns};
use crate::columns::{CLASSIFIED_AT, ViewColumn, catalog_view, class_of_largest, rejected_view};

/// A night with fewer ranks than this has no verdict.
const FEWEST: u32 = 20;

/// The statements that make the views. `settling` is whether the model in use has answers that its files' rows
/// don't show yet.
pub(crate) fn views(settling: bool) -> [(&'static str, String); 6] {
    let cutout = if settling {
        settling_rows()
    } else {
        "cutout".to_owned()
    };
    let catalog = select(&catalog_view(), &cutout, "label IS NOT NULL");
    let rejected = select(&rejected_view(), "cutout", "reason IS NOT NULL");
    let probability = Morphology::ALL.map(probability_of).join("UNION ALL\n");
    [
        ("catalog", catalog),
        ("rejected", rejected),
        ("probability", probability),
        ("classification", classification()),
        ("in_class_mix", in_class_mix(&cutout)),
        ("night", night()),
    ]
    .map(|(name, select)| (name, format!("CREATE VIEW {name} AS\n{select}")))
}

/// Drops the views of whatever version and makes them.
pub(crate) fn make_views(settling: bool) -> String {
    let views = views(settling);
    let views =
        views.map(|(name, definition)| format!("DROP VIEW IF EXISTS {name};\n{definition};\n"));
    views.concat()
}

/// The rows of a view. `cutout` is a table with the columns of `cutout`, or a subquery that has them.
pub(crate) fn select(columns: &[ViewColumn], cutout: &str, condition: &str) -> String {
    let item = |column: &ViewColumn| match &*column.sql {
        sql if sql == column.column.name => sql.to_owned(),
        sql => format!("{sql} AS {}", column.column.name),
    };
    let last = columns.len() - 1;
    let mut selected = String::new();
    for (at, column) in columns.iter().enumerate() {
        let comma = if at < last { "," } else { "" };
        let meaning = &column.column.meaning;
        writeln!(selected, "    {}{comma} -- {meaning}", item(column))
            .expect("a string takes any text");
    }
    format!("SELECT\n{selected}FROM {cutout} WHERE {condition}")
}

fn list<'a>(columns: impl IntoIterator<Item = &'a str>, prefix: &str) -> String {
    let columns: Vec<String> = columns
        .into_iter()
        .map(|column| format!("{prefix}{column}"))
        .collect();
    columns.join(", ")
}

/// The rows of `cutout` with the answers of the model in use where it has some.
pub(crate) fn settling_rows() -> String {
    let answer = answer_columns();
    let chosen: Vec<String> = answer
        .iter()
        .map(|column| {
            format!("CASE WHEN wanted.digest IS NULL THEN cutout.{column} ELSE wanted.{column} END AS {column}")
        })
        .collect();
    format!(
        "(SELECT {file}, {chosen}
      FROM cutout LEFT JOIN other_answer AS wanted
          ON wanted.digest = cutout.digest AND wanted.model = (SELECT watch.model FROM watch)
              AND wanted.rendering = cutout.rendering AND cutout.label IS NOT NULL) AS cutout",
        file = list(FILE, "cutout."),
        chosen = chosen.join(", "),
    )
}

/// The rows of `cutout` that some models have answered for, with their answers. `models` is a subquery with the models'
/// ids. Of several answers for one file, the one that is framed as the file's row says goes first, then that of the model
/// in use, then that of the model that the catalog met last, and then the newest.
pub(crate) fn rows_of(models: &str) -> String {
    let answer = answer_columns();
    let answer = || answer.iter().map(String::as_str);
    let file = list(FILE, "cutout.");
    format!(
        "(SELECT {file}, {shown} FROM cutout WHERE model IN ({models})
      UNION ALL
      SELECT {file}, {other} FROM other_answer AS other CROSS JOIN cutout
      WHERE substr(cutout.digest, 1, 8) = substr(other.digest, 1, 8) AND cutout.digest = other.digest
          AND cutout.label IS NOT NULL AND cutout.model NOT IN ({models}) AND other.model IN ({models})
          AND (other.model, other.rendering) =
              (SELECT best.model, best.rendering
               FROM (SELECT one.model, one.rendering, one.classified, one.rendering = cutout.rendering AS is_as_shown
                     FROM other_answer AS one WHERE one.digest = other.digest AND one.model IN ({models})) AS best
               ORDER BY best.is_as_shown DESC, best.model = (SELECT watch.model FROM watch) DESC,
                   best.model DESC, best.classified DESC LIMIT 1)) AS cutout",
        shown = list(answer(), "cutout."),
        other = list(answer(), "other."),
    )
}

/// Every answer to every content, once. (Until version 6 this was a table.)
fn classification() -> String {
    let columns = answer_columns();
    let columns = columns.iter().map(|column| match &**column {
        "classified" => format!("{CLASSIFIED_AT} AS classified_at"),
        other => other.to_owned(),
    });
    let columns: Vec<String> = columns.collect();
    let columns = columns.join(", ");
    format!(
        "SELECT lower(hex(digest)) AS digest, {columns} FROM cutout WHERE label IS NOT NULL
UNION
SELECT lower(hex(digest)) AS digest, {columns} FROM other_answer"
    )
}

/// One class's rows of the long form: of each file and each model, with the answer that is framed as the one that
/// the file's row shows, else with the newest. SQLite 3.40, Debian 12's, takes no column from outside in an ORDER BY; hence
/// the inner query.
fn probability_of(class: Morphology) -> String {
    let name = class.name();
    let row = |answer: &str| {
        format!(
            "SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = {answer}.model) AS model,
       '{name}' AS class_name, {answer}.p_{name} AS probability, 1 + {} AS ranking",
            ranking(class, answer)
        )
    };
    format!(
        "{shown}
FROM cutout WHERE label IS NOT NULL
UNION ALL
{other}
FROM cutout JOIN other_answer AS other ON other.digest = cutout.digest
WHERE cutout.label IS NOT NULL AND other.model <> cutout.model AND other.rendering =
    (SELECT best.rendering
     FROM (SELECT one.rendering, one.classified, one.rendering = cutout.rendering AS is_as_shown
           FROM other_answer AS one WHERE one.digest = other.digest AND one.model = other.model) AS best
     ORDER BY best.is_as_shown DESC, best.classified DESC LIMIT 1)
",
        shown = row("cutout"),
        other = row("other"),
    )
}

/// The rows of the view `catalog` of models for which a class mix is kept, with the probabilities in that mix: each is
/// multiplied by the class's fraction and divided by its prior, and they are brought to the sum 1 (Saerens et al. 2002,
/// equation 2.4). As [`Probabilities::in_mix`](galmorph_cutout::Probabilities::in_mix) does, it leaves an answer as it is for which no class
/// of the mix is possible. A CROSS JOIN keeps SQLite from going through all rows for each mix.
fn in_class_mix(cutout: &str) -> String {
    let names = Morphology::names();
    let weights = names.map(|name| format!("w_{name}"));
    let each = |column: &dyn Fn(&str) -> String| names.map(column).join(",\n    ");
    let corrected = each(&|name| {
        format!("CASE WHEN total > 0 THEN w_{name} / total ELSE p_{name} END AS p_{name}_in_mix")
    });
    let given =
        each(&|name| format!("p_{name}, p_{name} * fraction_{name} / prior_{name} AS w_{name}"));
    format!(
        "SELECT path, object_id, model, label,
    CASE WHEN total > 0 THEN {label} ELSE label END AS label_in_mix,
    {corrected}
FROM (SELECT *, {sum} AS total
      FROM (SELECT cutout.path, cutout.object_id, model.name AS model, cutout.label,
    {given}
            FROM {cutout} CROSS JOIN model ON model.id = cutout.model
            CROSS JOIN class_mix ON class_mix.model_digest = model.digest AND class_mix.model = model.name
            WHERE cutout.label IS NOT NULL AND {has_prior}))
",
        label = class_of_largest(&weights),
        sum = weights.join(" + "),
        has_prior = names.map(|name| format!("prior_{name} > 0")).join(" AND "),
    )
}

/// A row for each night and model: how far the answers of the night lie from what the model's training images span, and
/// whether that is surely more than its card takes for the training images' camera. A night is called by the date of its first
/// half; it begins and ends at noon, UTC.
///
/// The ranks of the training images' camera are evenly spread, so the mean of n has the standard deviation 1 / sqrt(12 n). It is
/// compared in squares, since SQLite has no square root everywhere.
///
/// The index of times finds the nights, newest first, and then the rows of each. So a question for the last nights reads no
/// others. A file whose answers are of two arithmetics is one model here. `LIMIT -1` has each card read once, and not for
/// every row: a card is long. These are the answers that the rows show, also while some are on their way back to those of
/// an earlier model.
fn night() -> String {
    let newest = |condition: &str| {
        format!(
            "(SELECT date({CLASSIFIED_AT}, '-12 hours') FROM cutout WHERE label IS NOT NULL{condition}
            ORDER BY {CLASSIFIED_AT} DESC LIMIT 1)"
        )
    };
    let of_card = |key: &str| {
        format!(
            "CASE WHEN json_valid(card) THEN json_extract(card, '$.residual.{key}') END AS {key}"
        )
    };
    format!(
        "WITH RECURSIVE each (night) AS (
    SELECT {newest}
    UNION ALL
    SELECT {before} FROM each WHERE night IS NOT NULL
)
SELECT night, name AS model, count(*) AS galaxies, count(rank) AS counted, avg(rank) AS camera,
    CASE WHEN count(rank) >= {FEWEST} THEN
        (avg(rank) - threshold) * abs(avg(rank) - threshold) * count(rank) > 1.96 * 1.96 / 12
    END AS other_camera
FROM (SELECT night, limits.name, limits.digest, limits.threshold,
          CASE WHEN cutout.confidence >= limits.confidence THEN cutout.camera END AS rank
      FROM each CROSS JOIN cutout CROSS JOIN
          (SELECT id, name, digest, {confidence},
               {threshold} FROM model LIMIT -1) AS limits
      WHERE limits.id = cutout.model AND cutout.label IS NOT NULL
          AND {CLASSIFIED_AT} >= night || ' 12' AND {CLASSIFIED_AT} < date(night, '+1 day') || ' 12')
GROUP BY night, name, digest",
        newest = newest(""),
        before = newest(&format!(" AND {CLASSIFIED_AT} < night || ' 12'")),
        confidence = of_card("confidence"),
        threshold = of_card("threshold"),
    )
}

/// How many classes are more probable than this one; of equals, the one with the lower id goes first.
fn ranking(class: Morphology, answer: &str) -> String {
    let name = class.name();
    let before: Vec<String> = Morphology::ALL
        .into_iter()
        .filter(|other| *other != class)
        .map(|other| {
            let comparison = if other < class { ">=" } else { ">" };
            format!("({answer}.p_{other} {comparison} {answer}.p_{name})")
        })
        .collect();
    before.join(" + ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_tables_are_listed_once() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        crate::schema::create(&connection).unwrap();
        let columns = |table: &str| -> Vec<String> {
            let mut statement = connection
                .prepare("SELECT name FROM pragma_table_info(?1) ORDER BY name")
                .unwrap();
            let names = statement.query_map([table], |row| row.get(0)).unwrap();
            names.collect::<Result<_, _>>().unwrap()
        };
        let mut expected: Vec<String> = FILE.map(str::to_owned).into();
        expected.extend(answer_columns());
        expected.sort();
        assert_eq!(columns("cutout"), expected);
        let mut expected = answer_columns();
        expected.push("digest".into());
        expected.sort();
        assert_eq!(columns("other_answer"), expected);
    }
}
