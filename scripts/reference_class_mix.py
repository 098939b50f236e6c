#!/usr/bin/env python3
"""Holds our estimate of a survey's class mix against numpy, and against the truth.

Draws surveys with random class mixes from a network's answers to galaxies of known class, that it was not
trained on, and estimates their mixes: with galmorph-cutout's ClassMix (examples/class_mix.rs), and with the
same algorithm (Saerens, Latinne & Decaestecker 2002) in numpy, to the end. Prints the errors beside those
of counting labels and of averaging probabilities, and how often the intervals hold the truth.

The answers are a predictions.csv of `galmorph-train evaluate` or `fold`; without one, they are made up.
Needs numpy and cargo. It ends with an error if the two estimates differ by more than 1e-4.

usage: scripts/reference_class_mix.py [--answers predictions.csv] [--surveys 60] [--galaxies 2000]
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLASSES = ["round", "in_between", "cigar", "edge_on", "spiral"]


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["p_round"]]
    answers = np.array([[float(row["p_" + name]) for name in CLASSES] for row in rows])
    return np.array([CLASSES.index(row["truth"]) for row in rows]), answers


def made_up(random):
    """Galaxies with five noisy measurements, and the exact probabilities that follow from them."""
    prior = np.array([0.28, 0.29, 0.02, 0.14, 0.27])
    truth = random.choice(5, 20000, p=prior)
    seen = random.normal(size=(20000, 5)) + 3 * np.eye(5)[truth]
    joint = prior * np.exp(3 * seen)
    return truth, joint / joint.sum(axis=1, keepdims=True)


def by_maximisation(answers, prior):
    """Saerens et al. 2002, equation 4.5, until nothing changes."""
    mix = prior.copy()
    for _ in range(200000):
        joint = answers / prior * mix
        after = (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(after - mix).max() < 1e-12:
            break
        mix = after
    return mix


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=pathlib.Path)
    parser.add_argument("--surveys", type=int, default=60)
    parser.add_argument("--galaxies", type=int, default=2000)
    arguments = parser.parse_args()
    random = np.random.default_rng(2002)
    truth, answers = read(arguments.answers) if arguments.answers else made_up(random)
    answers = np.float32(answers)
    prior = np.bincount(truth, minlength=5) / len(truth)

    mixes, samples, truths = [], [], []
    for _ in range(arguments.surveys):
        mix = random.dirichlet(np.ones(5))
        classes = random.choice(5, arguments.galaxies, p=mix)
        chosen = [random.choice(np.flatnonzero(truth == c)) for c in classes]
        mixes.append(mix)
        samples.append(answers[chosen])
        truths.append(classes)
    mixes = np.array(mixes)

    request = {"prior": prior.tolist(), "samples": [sample.tolist() for sample in samples]}
    command = ["cargo", "run", "--quiet", "-p", "galmorph-cutout", "--example", "class_mix"]
    reply = subprocess.run(command, cwd=ROOT, input=json.dumps(request), check=True, capture_output=True, text=True)
    ours = json.loads(reply.stdout)
    values, low, high = (np.array([[e[key] for e in estimate] for estimate in ours]) for key in ("value", "low", "high"))
    theirs = np.array([by_maximisation(np.float64(sample), prior) for sample in samples])
    difference = np.abs(values - theirs).max()
    print(f"{arguments.surveys} surveys of {arguments.galaxies} galaxies; largest difference from numpy {difference:.1e}")

    estimates = {
        "counting labels": np.array([np.bincount(s.argmax(axis=1), minlength=5) / len(s) for s in samples]),
        "mean probability": np.array([s.mean(axis=0) for s in samples]),
        "class mix": values,
    }
    realised = np.array([np.bincount(t, minlength=5) / len(t) for t in truths])
    print(f"\n{'error of the fractions':<24}{'sum (L1)':>10}" + "".join(f"{name:>12}" for name in CLASSES))
    for name, found in estimates.items():
        error = np.abs(found - realised)
        print(f"{name:<24}{error.sum(axis=1).mean():>10.4f}" + "".join(f"{e:>12.4f}" for e in error.mean(axis=0)))
    inside = (low <= mixes) & (mixes <= high)
    print(f"{'truth in the interval':<24}{inside.mean():>10.2f}" + "".join(f"{e:>12.2f}" for e in inside.mean(axis=0)))
    half = (high - low) / 2
    print(f"{'half of the interval':<24}{'':>10}" + "".join(f"{e:>12.4f}" for e in half.mean(axis=0)))

    right = {"as they are": [], "in the estimated mix": [], "in the true mix": []}
    for sample, classes, mix, true in zip(samples, truths, values, mixes):
        for name, used in zip(right, (prior, mix, true)):
            right[name].append(((sample / prior * used).argmax(axis=1) == classes).mean())
    print("\naccuracy of the labels of all surveys (%)")
    for name, values in right.items():
        print(f"  {name:<22}{100 * np.mean(values):.2f}")
    if difference > 1e-4:
        sys.exit("the estimates differ from numpy's")


main()
