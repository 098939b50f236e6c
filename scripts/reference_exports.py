"""Holds the files of `galmorph export` against readers that are not ours: astropy, pandas and pyarrow.

Makes a catalog of the sample cutouts, gives some of its rows awkward names, ids of 18 digits and positions, and
reads each format back. Every cell must be what SQLite says, and the description must be there. numpy computes the labels
where all classes are equally common, and the probabilities in a class mix.

Run it through scripts/reference, which installs the readers. GALMORPH names another program than the one that
cargo builds.
"""

import csv
import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.votable import parse, validate
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table

ROOT = Path(__file__).resolve().parents[1]

AWKWARD = ["587722981741363294", 'quoted "name", comma', "two\nlines\tand a tab", "銀河 NGC 1", "\x01control", "it's", ""]


def galmorph(*arguments):
    program = [os.environ["GALMORPH"]] if "GALMORPH" in os.environ else ["cargo", "run", "--quiet", "--release", "--locked", "--"]
    subprocess.run([*program, *map(str, arguments)], cwd=ROOT, check=True)


def make_catalog(path):
    galmorph("--quiet", "watch", "data/cutouts", "--drain", "--catalog", path)
    connection = sqlite3.connect(path)
    ids = [row[0] for row in connection.execute("SELECT id FROM cutout ORDER BY path")]
    for number, (key, name) in enumerate(zip(ids, AWKWARD)):
        position = (number * 51.25, 90 - number * 30) if number % 2 == 0 else (None, None)
        connection.execute(
            "UPDATE cutout SET object_id = ?, ra = ?, dec = ? WHERE id = ?", (name, *position, key)
        )
    connection.commit()
    connection.row_factory = sqlite3.Row
    rows = [dict(row) for row in connection.execute("SELECT * FROM catalog ORDER BY path")]
    for row in rows:
        # In SQL, times have a blank; everywhere else they are ISO 8601.
        row |= {name: row[name].replace(" ", "T") + "Z" for name in ("classified_at", "first_seen")}
    return rows


def is_missing(value):
    return value is None or value is np.ma.masked or (isinstance(value, float) and math.isnan(value))


def compare(name, rows, columns, cell, encode=lambda text: text):
    """`cell(row number, column)` is what the reader found. `encode` is how the format writes a text."""
    for number, row in enumerate(rows):
        for column in columns:
            wanted, found = row[column], cell(number, column)
            if isinstance(wanted, str):
                wanted = encode(wanted)
                # A text of no length is an empty cell where a format knows no difference.
                good = str("" if is_missing(found) else found) == str(wanted) or found == wanted
            elif wanted is None:
                # Of an empty cell, astropy makes a text of no length in VOTables.
                good = is_missing(found) or str(found) == ""
            else:
                good = not is_missing(found) and float(found) == wanted
            if not good:
                print(f"FAIL {name}: row {number}, {column}: {found!r} where the catalog has {wanted!r}")
                return False
    print(f"ok   {name}: {len(rows)} rows of {len(columns)} columns are what the catalog says")
    return True


def percent(keep):
    """Characters that `keep` refuses, as % and two hexadecimal digits for each of their bytes."""
    return lambda text: "".join(c if keep(c) else "".join(f"%{b:02X}" for b in c.encode()) for c in text)


def check_table(name, path, rows, table, encode):
    columns = list(rows[0])
    good = table.colnames == columns
    good &= compare(name, rows, columns, lambda number, column: table[column][number], encode)
    good &= len(table) == len(rows)
    good &= str(table["ra"].unit) == "deg"
    return good


def lint(path):
    """What STILTS, which knows the schema, has to say. It is on few machines (Debian: stilts)."""
    if shutil.which("stilts") is None:
        print(f"skipped: STILTS is not installed, so {path.name} was not linted")
        return True
    ran = subprocess.run(["stilts", "votlint", "ucd=true", path], capture_output=True, text=True)
    said = ran.stdout + ran.stderr
    if said:
        print(f"FAIL {path.name}: {said}")
    return not said


def check_votable(name, path, rows):
    with warnings.catch_warnings():
        # Every warning of the strict reader is a fault of ours.
        warnings.simplefilter("error")
        document = parse(path, verify="exception")
        is_valid = validate(str(path), output=None)
    table = document.get_first_table()
    ucds = [field.ucd for field in table.fields if field.ucd]
    good = lint(path) and is_valid and all(check_ucd(ucd, check_controlled_vocabulary=True) for ucd in ucds)
    infos = {info.name: info.value for info in [*document.resources[0].infos, *table.infos]}
    good &= int(infos["rows"]) == len(rows) and infos["creator"].startswith("galmorph ")
    good &= "model" in infos and len(ucds) >= 12
    if not good:
        print(f"FAIL {name}: {infos}, {ucds}")
    legal = percent(lambda c: c >= " " and c not in "\ufffe\uffff") if "text" in name else percent(lambda c: True)
    return good & check_table(name, path, rows, table.to_table(use_names_over_ids=True), legal)


def check_fits(name, path, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path) as file:
            file.verify("exception")
            header = file[1].header
            good = header["CREATOR"].startswith("galmorph ") and header["RADESYS"] == "ICRS"
            good &= any("model: " in line for line in header["HISTORY"])
            good &= "TUCD3" in header and path.stat().st_size % 2880 == 0
    table = Table.read(path)
    if not good:
        print(f"FAIL {name}: {header!r}")
    return good & check_table(name, path, rows, table, percent(lambda c: " " <= c <= "~"))


def check_parquet(name, path, rows):
    table = pandas.read_parquet(path)
    columns = list(rows[0])
    good = list(table.columns) == columns
    good &= compare(name, rows, columns, lambda number, column: table[column].iloc[number])
    metadata = pyarrow.parquet.read_metadata(path).metadata
    good &= metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    # astropy's reader stumbles over empty texts, so the table that it reads has none.
    described = Table.read(path.with_name("described.parquet"), format="parquet.votable")
    good &= str(described["ra"].unit) == "deg" and described["ra"].meta["ucd"].startswith("pos.eq.ra")
    if not good:
        print(f"FAIL {name}: {metadata.keys()}, {table.dtypes}")
    return good


def check(name, path, rows):
    if name == "ecsv":
        return check_table(name, path, rows, Table.read(path), lambda text: text)
    if name == "csv":
        with path.open(newline="") as file:
            table = list(csv.DictReader(file))
        number = lambda text: None if text == "" else text
        return compare(name, rows, list(rows[0]), lambda at, column: number(table[at][column]))
    if name == "jsonl":
        table = [json.loads(line) for line in path.read_text().splitlines()]
        return compare(name, rows, list(rows[0]), lambda at, column: table[at][column])
    if name.startswith("votable"):
        return check_votable(name, path, rows)
    return {"fits": check_fits, "parquet": check_parquet}[name](name, path, rows)


def check_views(path):
    """What the views say of other class mixes, by numpy, from the probabilities and the model's card."""
    classes = ["round", "in_between", "cigar", "edge_on", "spiral"]
    made = np.random.default_rng(2)
    connection = sqlite3.connect(path)
    # The samples are all too clear: let many be at the edge of two classes.
    for (key,) in connection.execute("SELECT id FROM cutout WHERE label IS NOT NULL").fetchall():
        values = made.dirichlet([0.3] * 5).astype(np.float32)
        columns = ", ".join(f"p_{name} = ?" for name in classes)
        values = [float(str(value)) for value in values]
        label = classes[int(np.argmax(values))]
        sql = f"UPDATE cutout SET {columns}, label = ?, confidence = ? WHERE id = ?"
        connection.execute(sql, (*values, label, max(values), key))
    connection.commit()
    galmorph("--quiet", "query", "--class-mix", "--keep", "--format", "csv", "--catalog", path, "--columns", "class,fraction")
    card = json.loads(connection.execute("SELECT card FROM model ORDER BY id DESC LIMIT 1").fetchone()[0])
    prior = np.array([card["prior"][name] for name in classes])
    fractions = ", ".join(f"fraction_{name}" for name in classes)
    mix = np.array(connection.execute(f"SELECT {fractions} FROM class_mix").fetchone())
    columns = ", ".join([f"p_{name}" for name in classes] + [f"p_{name}_in_mix" for name in classes])
    sql = f"SELECT label_balanced, label_in_mix, {columns} FROM catalog JOIN in_class_mix USING (path)"
    rows = connection.execute(sql).fetchall()
    given = np.array([row[2:7] for row in rows])
    weights = given * mix / prior
    expected = weights / weights.sum(axis=1, keepdims=True)
    worst = np.abs(np.array([row[7:] for row in rows]) - expected).max()
    balanced = [classes[at] for at in (given / prior).argmax(axis=1)]
    in_mix = [classes[at] for at in expected.argmax(axis=1)]
    good = len(rows) == 30 and worst < 1e-9 and abs(mix.sum() - 1) < 1e-6
    good &= [row[0] for row in rows] == balanced and [row[1] for row in rows] == in_mix
    changed = sum(classes[at] != label for at, label in zip(given.argmax(axis=1), balanced))
    good &= changed > 3
    print(
        f"{'ok  ' if good else 'FAIL'} views: {len(rows)} probabilities in a class mix differ from numpy's by at most {worst:.0e}; "
        f"{changed} balanced labels are others than the labels, all as numpy's"
    )
    return good


def check_match(scratch):
    """Other positions in a catalog of 160 files, and the nearest ones by astropy."""
    made = np.random.default_rng(1)
    folder = Path(scratch, "match")
    folder.mkdir()
    samples = sorted(ROOT.glob("data/cutouts/*.jpg"))
    count = 160
    for number in range(count):
        shutil.copy(samples[number % len(samples)], folder / f"{number}.jpg")
    # Around a pole, and on both sides of 0 h.
    ra = np.concatenate([made.uniform(0, 360, count // 2), made.uniform(-0.01, 0.01, count // 2) % 360])
    dec = np.concatenate([made.uniform(89.99, 90, count // 2), made.uniform(-0.01, 0.01, count // 2)])
    Table([np.arange(count), ra, dec], names=["file", "ra", "dec"]).write(Path(scratch, "places.csv"))
    settings = Path(scratch, "match.toml")
    catalog = Path(scratch, "match.sqlite")
    settings.write_text(
        f"catalog = '{catalog}'\nsettle_seconds = 0\n"
        f"folders = [{{ path = '{folder}', manifest = '{scratch}/places.csv' }}]\n"
    )
    galmorph("--quiet", "watch", "--drain", "--config", settings)
    around = made.integers(count, size=2000)
    other = SkyCoord(ra[around], dec[around], unit="deg").directional_offset_by(
        made.uniform(0, 360, 2000) * units.deg, made.uniform(0, 20, 2000) * units.arcsec
    )
    table = Table([np.arange(2000), other.ra.deg, other.dec.deg], names=["id", "ra", "dec"])
    table.write(Path(scratch, "others.csv"))
    found = Path(scratch, "matches.csv")
    galmorph("--quiet", "export", found, "--match", f"{scratch}/others.csv", "--radius", "8", "--catalog", catalog)
    distances = other[:, None].separation(SkyCoord(ra, dec, unit="deg")[None, :]).arcsec
    nearest, distance = distances.argmin(axis=1), distances.min(axis=1)
    expected = {at: (nearest[at], distance[at]) for at in range(2000) if distance[at] <= 8}
    with found.open(newline="") as file:
        ours = {int(row["match_id"]): (int(row["object_id"]), float(row["separation"])) for row in csv.DictReader(file)}
    good = ours.keys() == expected.keys() and 100 < len(ours) < 1900
    good &= all(ours[at][0] == who and abs(ours[at][1] - far) < 1e-6 for at, (who, far) in expected.items())
    print(f"{'ok  ' if good else 'FAIL'} match: {len(ours)} of 2000 positions have a match within 8 arcsec, as astropy finds them")
    return good


def main():
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        catalog = Path(scratch, "galmorph.sqlite")
        rows = make_catalog(catalog)
        names = ["csv", "ecsv", "jsonl", "votable", "votable-text", "fits", "parquet"]
        for name in names:
            path = Path(scratch, f"export.{name}")
            galmorph("--quiet", "export", path, "--format", name, "--catalog", catalog)
            if name == "parquet":
                described = path.with_name("described.parquet")
                columns = "label,ra,dec,confidence,classified_at"
                galmorph("--quiet", "export", described, "--columns", columns, "--catalog", catalog)
            good &= check(name, path, rows)
        # No rows at all are a table, too.
        for name in ["votable", "fits", "parquet"]:
            path = Path(scratch, f"empty.{name}")
            galmorph("--quiet", "export", path, "--format", name, "--limit", "0", "--catalog", catalog)
            # astropy's reader of Parquet stumbles over texts of which there are none.
            length = len(pandas.read_parquet(path) if name == "parquet" else Table.read(path, format=name))
            print(f"{'ok  ' if length == 0 else 'FAIL'} {name} without rows")
            good &= length == 0
        good &= check_views(catalog)
        good &= check_match(scratch)
    return good


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
