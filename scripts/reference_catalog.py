"""Holds the whole way, from a dropped JPEG to a catalog row, against TensorFlow and ONNX Runtime.

Drops the real 424 x 424 cutouts on the daemon with its embedded model, and compares each row of the
catalog with what onnxruntime answers for the same model file on views made by TensorFlow.

Run it through scripts/reference, which installs both.
"""

import csv
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnxruntime
import tensorflow as tf
from reference import ROOT, dump_pixels, shared_folder, views

MODEL = ROOT / "models/zhu2019-small.onnx"
CLASSES = ["round", "in_between", "cigar", "edge_on", "spiral"]
# The daemon's probabilities against onnxruntime's, from the same pixels.
TOLERANCE = 1e-3


def catalog_rows(folder, catalog):
    """Drops a folder on the daemon; the rows of its catalog, by object id."""
    command = ["cargo", "run", "--quiet", "--release", "--locked", "--", "--quiet"]
    # As exact as the reference; bf16 is held against f32 elsewhere.
    command += ["watch", str(folder), "--drain", "--precision", "f32", "--catalog", str(catalog)]
    subprocess.run(command, cwd=ROOT, check=True)
    columns = ", ".join(f"p_{name}" for name in CLASSES)
    query = f"SELECT object_id, label, {columns} FROM catalog"
    return {row[0]: (row[1], np.array(row[2:])) for row in sqlite3.connect(catalog).execute(query)}


def main():
    shared = shared_folder()
    folder, labels = shared / "galaxyzoo/full424", shared / "galaxyzoo/labels.csv"
    if not (folder.is_dir() and labels.is_file()):
        print("skipped: catalog (GALMORPH_SHARED names no folder with galaxyzoo/full424)")
        return True

    files = sorted(folder.glob("*.jpg"))
    with open(labels, newline="") as table:
        truth = {row["GalaxyID"]: CLASSES[int(row["label"])] for row in csv.DictReader(table)}
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])

    def answer(pixels):
        return session.run(["probabilities"], {"views": views(pixels)})[0].mean(axis=0)

    with tempfile.TemporaryDirectory() as scratch:
        rows = catalog_rows(folder, Path(scratch, "galmorph.sqlite"))
        dump_pixels(files, scratch)
        pixels = [np.load(Path(scratch, f"{file.stem}.pixels.npy")) for file in files]
    if sorted(rows) != sorted(file.stem for file in files):
        print(f"FAIL {len(rows)} rows in the catalog for {len(files)} files")
        return False

    worst = worst_decoder = 0.0
    right = right_there = agree = 0
    for file, ours in zip(files, pixels):
        label, probabilities = rows[file.stem]
        expected = answer(ours)
        # np.maximum, unlike max, keeps a NaN.
        worst = np.maximum(worst, np.abs(probabilities - expected).max())
        theirs = answer(tf.io.decode_jpeg(file.read_bytes(), channels=3, dct_method="INTEGER_ACCURATE").numpy())
        worst_decoder = max(worst_decoder, np.abs(probabilities - theirs).max())
        agree += label == CLASSES[theirs.argmax()]
        right += label == truth[file.stem]
        right_there += CLASSES[expected.argmax()] == truth[file.stem]
    print(
        f"{len(files)} real cutouts through the daemon: probabilities differ from onnxruntime's on "
        f"TensorFlow's views of the same pixels by at most {worst:.1e}; {right} labels are right "
        f"({100 * right / len(files):.2f} %), {right_there} of onnxruntime's"
    )
    print(
        f"with TensorFlow's JPEG decoder too: by at most {worst_decoder:.1e}, "
        f"{agree} of {len(files)} labels agree"
    )
    good = worst <= TOLERANCE and worst_decoder <= TOLERANCE
    return bool(good and right == right_there and agree == len(files))


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
