"""Holds what galmorph-train reads of a table of votes, and what it selects, against astropy and numpy.

Reads the real catalogue with astropy, multiplies the conditional fractions by those of their parents after
Willett et al. 2013 (Table 2), and compares all 37 of every galaxy with ours; then selects with Table 1 of
Zhu et al. 2019, and compares the labels and soft targets. The same table as CSV must give the same.

Run it through scripts/reference, which installs astropy; galmorph-train needs scripts/setup.
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from astropy.table import Table
from reference import ROOT, shared_folder

# The answer that leads to each task's question.
PARENTS = {
    "t01": None,
    "t02": "t01_smooth_or_features_a02_features_or_disk",
    "t03": "t02_edgeon_a05_no",
    "t04": "t02_edgeon_a05_no",
    "t05": "t02_edgeon_a05_no",
    "t06": None,
    "t07": "t01_smooth_or_features_a01_smooth",
    "t08": "t06_odd_a14_yes",
    "t09": "t02_edgeon_a04_yes",
    "t10": "t04_spiral_a08_spiral",
    "t11": "t04_spiral_a08_spiral",
}
SMOOTH = ("t01_smooth_or_features_a01_smooth", 0.469)
FEATURES = ("t01_smooth_or_features_a02_features_or_disk", 0.430)
CUTS = [
    [SMOOTH, ("t07_rounded_a16_completely_round", 0.50)],
    [SMOOTH, ("t07_rounded_a17_in_between", 0.50)],
    [SMOOTH, ("t07_rounded_a18_cigar_shaped", 0.50)],
    [FEATURES, ("t02_edgeon_a04_yes", 0.602)],
    [FEATURES, ("t02_edgeon_a05_no", 0.715), ("t04_spiral_a08_spiral", 0.619)],
]
OWN_ANSWERS = [cuts[-1][0] for cuts in CUTS]
# Ours are rounded to twelve decimals.
TOLERANCE = 1e-12


def galmorph_train(*arguments):
    """Runs cargo with these arguments for the package of the training program; what it prints."""
    command = ["cargo", "run", "--quiet", "--locked", "-p", "galmorph-train", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def read_csv(text):
    return list(csv.reader(text.splitlines()))


def main():
    path = shared_folder() / "galaxyzoo/gz2_table5.fits.gz"
    if not path.is_file():
        print("skipped: votes (GALMORPH_SHARED names no folder with galaxyzoo/gz2_table5.fits.gz)")
        return True

    table = Table.read(path, hdu=1)
    answers = [name.removesuffix("_debiased") for name in table.colnames if name.endswith("_debiased")]
    conditional = {
        # The double of the decimals that mean the 32-bit number.
        answer: np.array([float(str(value)) for value in table[f"{answer}_debiased"].data])
        for answer in answers
    }

    def cumulative(answer):
        parent = PARENTS[answer[:3]]
        return conditional[answer] * (cumulative(parent) if parent else 1)

    fractions = np.stack([cumulative(answer) for answer in answers], axis=1)
    met = np.stack(
        [
            np.all([cumulative(answer).round(12) >= least for answer, least in cuts], axis=0)
            for cuts in CUTS
        ],
        axis=1,
    )
    ids = [str(value) for value in table["objid"].data]
    expected = {id: int(row.argmax()) for id, row in zip(ids, met) if row.sum() == 1}
    own = fractions[:, [answers.index(answer) for answer in OWN_ANSWERS]]
    shares = dict(zip(ids, own / np.maximum(own.sum(axis=1, keepdims=True), 1e-300)))

    good = True
    with tempfile.TemporaryDirectory() as scratch:
        as_csv = Path(scratch, "table.csv")
        # As decimals of 32-bit numbers; astropy itself would write those of the doubles.
        columns = [name for name in table.colnames if name == "objid" or name.endswith("_debiased")]
        with open(as_csv, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*([str(value) for value in table[name].data] for name in columns)))
        labels = {}
        for file in [path, as_csv]:
            rows = read_csv(galmorph_train("--example", "dump_votes", "--", str(file)))[1:]
            same_ids = [row[1] for row in rows] == ids
            ours = np.array([row[2:] for row in rows], dtype=float)
            worst = np.abs(ours - fractions).max() if ours.shape == fractions.shape else np.inf

            output = Path(scratch, "labels.csv")
            arguments = ["--quiet", "select", "--votes", str(file), "--output", str(output), "--force"]
            galmorph_train("--", *arguments, "--soft-targets")
            labels[file] = output.read_text()
            selected = read_csv(labels[file])[1:]
            same_labels = {row[0]: int(row[1]) for row in selected} == expected
            worst_share = max(
                np.abs(np.array(row[3:], dtype=float) - shares[row[0]]).max() for row in selected
            )
            fine = same_ids and same_labels and worst <= TOLERANCE and worst_share <= 1e-6
            good &= bool(fine)
            print(
                f"{'ok  ' if fine else 'FAIL'} {file.name}: {ours.size} fractions of {len(rows)} galaxies "
                f"differ from astropy's by at most {worst:.1e}; {len(selected)} selected, "
                f"{len(expected)} by numpy, {'the same' if same_labels else 'NOT the same'} labels; "
                f"soft targets differ by at most {worst_share:.1e}"
            )
    if labels[path] != labels[as_csv]:
        print("FAIL FITS and CSV give different labels")
        good = False
    return good


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
