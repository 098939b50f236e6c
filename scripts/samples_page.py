"""Draws docs/samples.jpg: the sample cutouts with the labels and probabilities that galmorph gives them.

It needs only matplotlib, in the version of scripts/requirements-bench.txt:

    cargo build --release
    scripts/setup bench && .venv-bench/bin/python scripts/samples_page.py

It fails when the label of any sample is not the one that its file name promises.
"""

import argparse
import csv
import io
import subprocess
import sys
from pathlib import Path

from matplotlib import image, pyplot

ROOT = Path(__file__).resolve().parent.parent
CLASSES = ["round", "in_between", "cigar", "edge_on", "spiral"]
ROWS = 4

# All lengths are in pixels of the page.
SIDE = 224  # the part of a cutout around its centre that is shown, pixel for pixel
CAPTION = 34
MARGIN = 12
DPI = 100
# Dark like the sky of the cutouts, so that the page suits a white and a dark background.
BACKGROUND = "#0b0b0d"


def answers(program, files):
    """The label and its probability for each file, as the program prints them."""
    # In f32, so that the page shows the same digits whatever the processor.
    command = [program, "classify", "--precision", "f32", "--format", "csv", *files]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = csv.DictReader(io.StringIO(output))
    return [(row["label"], float(row["confidence"])) for row in rows]


def centre(file):
    """The central square of a cutout, as an array [SIDE, SIDE, 3] of 8-bit values."""
    pixels = image.imread(file)
    top, left = ((length - SIDE) // 2 for length in pixels.shape[:2])
    return pixels[top : top + SIDE, left : left + SIDE]


def page(found):
    """A figure with a column for each class, from the label and probability of each file."""
    width = len(CLASSES) * (SIDE + MARGIN) + MARGIN
    height = ROWS * (SIDE + CAPTION) + MARGIN
    figure = pyplot.figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=BACKGROUND)
    for number, (file, (label, probability)) in enumerate(found.items()):
        row, column = divmod(number, len(CLASSES))
        left = MARGIN + column * (SIDE + MARGIN)
        # Matplotlib counts from the bottom.
        bottom = height - MARGIN - row * (SIDE + CAPTION) - SIDE
        figure.figimage(centre(file), left, bottom)
        figure.text(
            (left + SIDE / 2) / width,
            (bottom - CAPTION / 2 + 4) / height,
            f"{label}  {probability:.3f}",
            color="#dddddd",
            fontsize=13,
            horizontalalignment="center",
            verticalalignment="center",
        )
    return figure


def main():
    parser = argparse.ArgumentParser(description="A page of the sample cutouts and their labels")
    parser.add_argument(
        "--galmorph", default=ROOT / "target/release/galmorph", help="the program that labels them"
    )
    parser.add_argument("--output", default=ROOT / "docs/samples.jpg", help="the JPEG file to write")
    arguments = parser.parse_args()

    folder = ROOT / "data/cutouts"
    files = sorted(folder.glob("*.jpg"))
    found = dict(zip(files, answers(arguments.galmorph, files), strict=True))
    wrong = [
        f"{file.name} is labelled {label}"
        for file, (label, _) in found.items()
        if file.stem.rpartition("-")[0] != label
    ]
    if wrong:
        sys.exit("\n".join(wrong))

    # In the order of the page: row by row.
    shown = [folder / f"{name}-{number}.jpg" for number in range(1, ROWS + 1) for name in CLASSES]
    figure = page({file: found[file] for file in shown})
    figure.savefig(arguments.output, dpi=DPI, pil_kwargs={"quality": 85, "optimize": True})
    print(f"wrote {arguments.output}, {Path(arguments.output).stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
