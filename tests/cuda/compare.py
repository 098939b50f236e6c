"""Compares two runs: the weights of their checkpoints, or their predictions.

usage: compare.py weights A.safetensors B.safetensors MOST
       compare.py answers A.csv B.csv MOST
       compare.py repeated A.safetensors AGAIN.safetensors B.safetensors

The weights of each tensor may differ by MOST of its largest value, or of 0.01 if that is more, since offsets start at 0.
Probabilities may differ by MOST. B may differ from A by 1e-3, or by four times as much as a repetition of A does if that is
more. Exits with 1 if they differ by more.
"""

import array
import csv
import json
import sys


def tensors(path):
    """The f32 tensors of a file, by name."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        found = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            first, end = entry["data_offsets"]
            file.seek(start + first)
            values = array.array("f")
            values.frombytes(file.read(end - first))
            found[name] = values
    return found


def weights(a, b):
    ours, theirs = tensors(a), tensors(b)
    if ours.keys() != theirs.keys():
        sys.exit("compare: the files have other tensors")
    worst = (0.0, "nothing")
    for name, values in ours.items():
        largest = max(map(abs, values), default=0.0)
        difference = max((abs(x - y) for x, y in zip(values, theirs[name], strict=True)), default=0.0)
        if not difference <= float("inf"):
            sys.exit(f"compare: {name} is no number")
        # A velocity is a sum of small differences of large numbers; what counts is the weights that it leads to.
        if not name.startswith("velocity/"):
            worst = max(worst, (difference / max(largest, 0.01), name))
    return worst


def answers(a, b):
    with open(a, newline="") as first, open(b, newline="") as second:
        ours, theirs = list(csv.DictReader(first)), list(csv.DictReader(second))
    if not ours or len(ours) != len(theirs):
        sys.exit("compare: the files have other rows")
    worst = (0.0, "nothing")
    for left, right in zip(ours, theirs):
        for column in left:
            if column.startswith("p_"):
                worst = max(worst, (abs(float(left[column]) - float(right[column])), column))
    return worst


kind, a, b, most = sys.argv[1:]
if kind == "repeated":
    spread, _ = weights(a, b)
    print(f"weights: a repetition differs by {spread:.2g} at most")
    kind, b, most = "weights", most, max(1e-3, 4 * spread)
difference, where = {"weights": weights, "answers": answers}[kind](a, b)
print(f"{kind}: they differ by {difference:.2g} at most ({where}); {most} is allowed")
sys.exit(difference > float(most))
