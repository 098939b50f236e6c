#!/usr/bin/env python3
"""Makes cutout/tests/data/jpeg.tar: JPEG files of every kind, and the pixels that libjpeg-turbo decodes them to.

usage: scripts/jpeg_samples.py

Needs cjpeg and jpegtran of libjpeg-turbo (Debian: libjpeg-turbo-progs), NumPy and Pillow. The pictures are computed;
all sampling factors, scan scripts, restart intervals, colour spaces and odd sizes are tried on them. `expected.csv`
in the archive has a line a file: its name, its width and height, and the CRC-32 of its pixels as Pillow decodes them,
converted to RGB. Where the columns are empty, the file is of a kind that galmorph does not decode.
"""

import io
import pathlib
import subprocess
import tarfile
import tempfile
import zlib

import numpy as np
from PIL import Image

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "cutout" / "tests" / "data" / "jpeg.tar"

SAMPLINGS = [
    "1x1", "2x1", "1x2", "2x2", "4x1", "4x2", "1x4", "2x4",
    "2x2,1x2,1x2", "2x2,2x1,2x1", "2x2,1x1,2x2", "1x1,2x2,1x1", "2x1,1x1,2x1", "2x2,2x1,1x2", "1x2,1x1,1x1",
    "4x1,1x1,2x1", "2x4,1x1,1x1",
]  # fmt: skip
SIZES = [(16, 16), (17, 33), (33, 17), (48, 40), (31, 31), (40, 55), (1, 1), (2, 3), (3, 2), (5, 40), (40, 5), (70, 18)]
QUALITIES = [30, 60, 75, 90, 97, 100]

# Scan scripts of jpegtran: components one after the other, together, and progressive ones.
APART = "0;1;2;\n"
TOGETHER = "0 1;2;\n"
LAST_FIRST = "1 2;0;\n"
SPECTRAL = "0: 0-0, 0, 0; 1: 0-0, 0, 0; 2: 0-0, 0, 0; 0: 1-63, 0, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0;\n"
BIT_BY_BIT = (
    "0,1,2: 0-0, 0, 3; 0: 1-5, 0, 2; 2: 1-63, 0, 1; 1: 1-63, 0, 1; 0: 6-63, 0, 2; 0: 1-63, 2, 1; 0,1,2: 0-0, 3, 2;"
    "0,1,2: 0-0, 2, 1; 0,1,2: 0-0, 1, 0; 2: 1-63, 1, 0; 1: 1-63, 1, 0; 0: 1-63, 1, 0;\n"
)
VARIANTS = [
    ["-progressive"],
    ["-restart", "1"],
    ["-restart", "2B"],
    ["-scans", APART],
    ["-scans", TOGETHER],
    ["-optimize", "-restart", "1B"],
    ["-progressive", "-restart", "3B"],
    ["-scans", SPECTRAL],
    ["-scans", BIT_BY_BIT],
    ["-scans", LAST_FIRST, "-restart", "2B"],
    ["-scans", BIT_BY_BIT, "-restart", "2B"],
]
UNSUPPORTED = [["-arithmetic"], ["-arithmetic", "-progressive"]]


class Samples:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.random = np.random.default_rng(7)
        self.files: dict[str, bytes] = {}
        self.unsupported: set[str] = set()

    def picture(self, size: tuple[int, int]) -> Image.Image:
        """A bright spot with ripples, noise and a hard corner, other ones for each colour."""
        width, height = size
        y, x = np.mgrid[0:height, 0:width]
        planes = []
        for _ in range(3):
            centre = self.random.uniform(0.3, 0.7, 2) * size
            radius = np.hypot(x - centre[0], (y - centre[1]) * self.random.uniform(0.6, 1.6))
            spot = self.random.uniform(120, 240) * np.exp(-radius / (0.25 * max(size) + 1))
            ripples = 20 * np.sin(x / self.random.uniform(1.5, 5) + y / 3)
            planes.append(spot + ripples + self.random.normal(15, self.random.uniform(1, 12), (height, width)))
        values = np.stack(planes, -1)
        values[: height // 5, : width // 6] = self.random.integers(0, 256, 3)
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))

    def run(self, program: str, data: bytes, options: list[str]) -> bytes:
        source = self.folder / "source"
        source.write_bytes(data)
        script = self.folder / "script"
        arguments = []
        for option in options:
            if option.endswith(";\n"):
                script.write_text(option)
                option = str(script)
            arguments.append(option)
        return subprocess.run([program, *arguments, str(source)], check=True, stdout=subprocess.PIPE).stdout

    def cjpeg(self, image: Image.Image, *options: str) -> bytes:
        kind = b"P5" if image.mode == "L" else b"P6"
        return self.run("cjpeg", kind + b" %d %d 255\n" % image.size + image.tobytes(), list(options))

    def add(self, name: str, data: bytes) -> None:
        assert name not in self.files, name
        self.files[name] = data

    def colour(self) -> None:
        number = 0
        for sampling in SAMPLINGS:
            for step in range(5):
                size = SIZES[(5 * number + 7 * step) % len(SIZES)]
                quality = QUALITIES[number % len(QUALITIES)]
                whole = self.cjpeg(self.picture(size), "-quality", str(quality), "-sample", sampling)
                name = f"colour-{number:02}-{sampling.replace(',', '_')}-{size[0]}x{size[1]}"
                self.add(f"{name}-baseline", whole)
                for variant in (number % len(VARIANTS), (number + 4) % len(VARIANTS)):
                    self.add(f"{name}-{variant}", self.run("jpegtran", whole, VARIANTS[variant]))
                number += 1

    def others(self) -> None:
        for number, size in enumerate(SIZES):
            name = f"{number:02}-{size[0]}x{size[1]}"
            image = self.picture(size)
            grey = self.cjpeg(image.convert("L"), "-quality", str(40 + 5 * number))
            self.add(f"grey-{name}", grey)
            self.add(f"grey-{name}-progressive", self.run("jpegtran", grey, ["-progressive"]))
            doubled = self.cjpeg(image.convert("L"), "-sample", "2x2")
            self.add(f"grey-{name}-2x2", self.run("jpegtran", doubled, ["-restart", "1B"]))
            rgb = self.cjpeg(image, "-rgb", "-quality", "85")
            self.add(f"rgb-{name}", rgb)
            self.add(f"rgb-{name}-progressive", self.run("jpegtran", rgb, ["-progressive"]))
            self.add(f"coarse-{name}", self.cjpeg(image, "-quality", str(1 + number)))
            for options in [{}, {"progressive": True}, {"optimize": True, "subsampling": 0}]:
                self.pillow(f"pillow-{name}", image, options)
            for options in [{}, {"progressive": True, "quality": 95}, {"subsampling": 2, "quality": 60}]:
                cmyk = self.pillow(f"cmyk-{name}", image.convert("CMYK"), options)
                # The same bytes as another colour space.
                transform = cmyk.index(b"Adobe") + 11
                ycck = cmyk[:transform] + b"\x02" + cmyk[transform + 1 :]
                self.add(f"ycck-{name}-{len(options)}{options.get('quality', 0)}", ycck)
            for options in UNSUPPORTED:
                whole = self.cjpeg(image)
                unsupported = f"arithmetic-{name}-{len(options)}"
                self.add(unsupported, self.run("jpegtran", whole, options))
                self.unsupported.add(unsupported)

    def pillow(self, name: str, image: Image.Image, options: dict) -> bytes:
        file = io.BytesIO()
        image.save(file, "JPEG", **options)
        name += "".join(f"-{option}{value}" for option, value in options.items())
        self.add(name, file.getvalue())
        return file.getvalue()

    def expected(self) -> str:
        lines = ["name,width,height,crc32"]
        for name, data in self.files.items():
            if name in self.unsupported:
                lines.append(f"{name},,,")
                continue
            image = Image.open(io.BytesIO(data)).convert("RGB")
            lines.append(f"{name},{image.width},{image.height},{zlib.crc32(image.tobytes()):08x}")
        return "\n".join(lines) + "\n"

    def write(self, output: pathlib.Path) -> None:
        output.parent.mkdir(exist_ok=True)
        with tarfile.open(output, "w", format=tarfile.USTAR_FORMAT) as archive:
            contents = {f"{name}.jpg": data for name, data in self.files.items()}
            contents["expected.csv"] = self.expected().encode()
            for name, data in contents.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        print(f"{len(self.files)} files, {output.stat().st_size} bytes")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        samples = Samples(pathlib.Path(folder))
        samples.colour()
        samples.others()
        samples.write(OUTPUT)


main()
