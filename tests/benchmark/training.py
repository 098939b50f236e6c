"""How fast galmorph-train trains, beside the same network in Python's torch.

Alternates, for a few rounds, between one epoch of `galmorph-train train` on mock galaxies (the whole
loop: views are made while the network computes) and as many steps of `training_step.py` on noise that
lies ready. Prints images a second, the median ratio and its spread, and the part of an epoch that
our loop waited for views.

usage: tests/benchmark/training [--k 0.25] [--precision f32|bf16] [--threads 1] [--rounds 5]
"""

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RELEASE = REPOSITORY / "target" / "release"


def mock_sample(folder, images):
    """Labels and images: `images` to train on, and one galaxy of each class to validate on."""
    each = images // 5 + 2
    subprocess.run(
        [RELEASE / "galmorph-mock", "--output", folder, "--count", str(each), "--side", "264"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    classes = ["round", "in_between", "cigar", "edge_on", "spiral"]
    rows, number = [], 0
    for label, name in enumerate(classes):
        for index in range(1, each + 1):
            number += 1
            (folder / f"{name}-{index}.jpg").rename(folder / f"{number}.jpg")
            rows.append((number, label, "validation" if index == 1 else "train"))
    labels = folder / "labels.csv"
    with labels.open("w", newline="") as file:
        csv.writer(file).writerows([("GalaxyID", "label", "split"), *rows])
    return labels


def ours(arguments, labels, folder):
    with tempfile.TemporaryDirectory() as run:
        subprocess.run(
            [
                *(RELEASE / "galmorph-train", "train", "--quiet", "--device", "cpu"),
                *("--labels", labels, "--images", folder, "--output", run, "--epochs", "1", "--rate", "0.01"),
                *("--network", f"zhu2019 k={arguments.k}", "--precision", arguments.precision),
                *("--batch", str(arguments.batch), "--threads", str(arguments.threads)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with (Path(run) / "history.csv").open() as file:
            epoch = next(csv.DictReader(file))
    return float(epoch["images_per_second"]), float(epoch["waiting"])


def theirs(arguments):
    output = subprocess.run(
        [
            *(sys.executable, Path(__file__).with_name("training_step.py")),
            *("--k", str(arguments.k), "--precision", arguments.precision),
            *("--batch", str(arguments.batch), "--steps", str(arguments.steps), "--threads", str(arguments.threads)),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return float(output)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--k", type=float, default=0.25)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=128)
    arguments = parser.parse_args()

    speeds, waits = {"galmorph-train": [], "torch in Python": []}, []
    with tempfile.TemporaryDirectory() as folder:
        labels = mock_sample(Path(folder), arguments.steps * arguments.batch)
        for _ in range(arguments.rounds):
            speed, waiting = ours(arguments, labels, folder)
            speeds["galmorph-train"].append(speed)
            waits.append(waiting)
            speeds["torch in Python"].append(theirs(arguments))

    print(f"zhu2019 k={arguments.k:g}, {arguments.precision}, {arguments.threads} thread(s), batch {arguments.batch}")
    for name, values in speeds.items():
        print(f"{name:<16} {statistics.median(values):8.1f} images/s  ({min(values):.1f} to {max(values):.1f})")
    ratios = [a / b for a, b in zip(*speeds.values())]
    print(f"{'ratio':<16} {statistics.median(ratios):8.2f}           ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"{'waited for views':<16} {100 * statistics.median(waits):8.1f} % of an epoch")


main()
