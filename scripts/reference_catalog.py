"""Holds the whole way, from a dropped JPEG to a catalog row, against TensorFlow, Pillow and ONNX Runtime.

Drops the real 424 x 424 cutouts on the daemon, with its embedded model and with the paper's, and compares each row of the
catalog with what onnxruntime answers for the same model file: on TensorFlow's views for the paper's model, and on views
that Pillow resized for the embedded one.

Run it through scripts/reference, which installs them.
"""

import csv
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
from reference import ROOT, antialiased_views, dump_pixels, shared_folder, views

CLASSES = ["round", "in_between", "cigar", "edge_on", "spiral"]
# The model's file, what makes its views, and how the daemon is told to use it.
MODELS = [
    ("galmorph-1.onnx", lambda pixels: antialiased_views(pixels, [198]), []),
    ("zhu2019-small.onnx", views, ["--model", "models/zhu2019-small.onnx"]),
]
# The daemon's probabilities against onnxruntime's.
TOLERANCE = 1e-3


def catalog_rows(folder, catalog, flags):
    """Drops a folder on the daemon; the rows of its catalog, by object id."""
    command = ["cargo", "run", "--quiet", "--release", "--locked", "--", "--quiet"]
    # As exact as the reference; bf16 is held against f32 elsewhere.
    command += ["watch", str(folder), "--drain", "--precision", "f32", "--catalog", str(catalog), *flags]
    subprocess.run(command, cwd=ROOT, check=True)
    columns = ", ".join(f"p_{name}" for name in CLASSES)
    query = f"SELECT object_id, label, {columns} FROM catalog"
    return {row[0]: (row[1], np.array(row[2:])) for row in sqlite3.connect(catalog).execute(query)}


def answers_of(file, make_views):
    """What a model file says of pixels: onnxruntime's outputs, calibrated as the card says, and averaged."""
    path = ROOT / "models" / file
    card = {entry.key: entry.value for entry in onnx.load(path).metadata_props}["galmorph.card"]
    card = json.loads(card)
    bias = np.array([card.get("bias", {}).get(name, 0.0) for name in CLASSES])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def answer(pixels):
        rows = session.run(["probabilities"], {"views": make_views(pixels)})[0].astype(np.float64)
        # The least float stands for a probability of 0, which stays 0.
        logits = np.log(np.maximum(rows, 1e-45)) / card["temperature"] + bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (powers / powers.sum(axis=1, keepdims=True)).mean(axis=0)

    return answer


def compare(model, folder, files, pixels, truth, scratch):
    """Compares the daemon's rows with a model's answers. True if they agree."""
    file, make_views, flags = model
    rows = catalog_rows(folder, Path(scratch, f"{file}.sqlite"), flags)
    if sorted(rows) != sorted(path.stem for path in files):
        print(f"FAIL {len(rows)} rows in the catalog for {len(files)} files")
        return False
    answer = answers_of(file, make_views)
    worst = worst_decoder = 0.0
    right = right_there = agree = 0
    for path, ours in zip(files, pixels):
        label, probabilities = rows[path.stem]
        expected = answer(ours)
        # np.maximum, unlike max, keeps a NaN.
        worst = np.maximum(worst, np.abs(probabilities - expected).max())
        decoded = tf.io.decode_jpeg(path.read_bytes(), channels=3, dct_method="INTEGER_ACCURATE").numpy()
        theirs = answer(decoded)
        worst_decoder = np.maximum(worst_decoder, np.abs(probabilities - theirs).max())
        agree += label == CLASSES[theirs.argmax()]
        right += label == truth[path.stem]
        right_there += CLASSES[expected.argmax()] == truth[path.stem]
    print(
        f"{file}, {len(files)} real cutouts through the daemon: probabilities differ from onnxruntime's on "
        f"reference views of the same pixels by at most {worst:.1e}; {right} labels are right "
        f"({100 * right / len(files):.2f} %), {right_there} of onnxruntime's"
    )
    print(
        f"with TensorFlow's JPEG decoder too: by at most {worst_decoder:.1e}, "
        f"{agree} of {len(files)} labels agree"
    )
    good = worst <= TOLERANCE and worst_decoder <= TOLERANCE
    return bool(good and right == right_there and agree == len(files))


def main():
    shared = shared_folder()
    folder, labels = shared / "galaxyzoo/full424", shared / "galaxyzoo/labels.csv"
    if not (folder.is_dir() and labels.is_file()):
        print("skipped: catalog (GALMORPH_SHARED names no folder with galaxyzoo/full424)")
        return True

    files = sorted(folder.glob("*.jpg"))
    with open(labels, newline="") as table:
        truth = {row["GalaxyID"]: CLASSES[int(row["label"])] for row in csv.DictReader(table)}
    with tempfile.TemporaryDirectory() as scratch:
        dump_pixels(files, scratch)
        pixels = [np.load(Path(scratch, f"{file.stem}.pixels.npy")) for file in files]
        agreed = [compare(model, folder, files, pixels, truth, scratch) for model in MODELS]
    return all(agreed)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
