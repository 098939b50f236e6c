#!/usr/bin/env python3
"""Damages JPEG files at random, and compares what galmorph makes of them with `djpeg -strict` of libjpeg-turbo.

usage: scripts/jpeg_damage.py [--count 3000] [--seed 1]

What djpeg refuses has to be refused, and where both accept a file, every pixel has to be the same. The files are those
of cutout/tests/data/jpeg.tar: bits and bytes are changed, pieces are cut out, doubled, moved or zeroed, end markers are
put in. Needs cargo, and djpeg (Debian: libjpeg-turbo-progs). Ends with 1 when they differ.
"""

import argparse
import collections
import pathlib
import random
import subprocess
import sys
import tarfile
import tempfile
import zlib

HOME = pathlib.Path(__file__).resolve().parent.parent
ARCHIVE = HOME / "cutout" / "tests" / "data" / "jpeg.tar"
KINDS = ["bit", "bit", "bit", "bits", "header", "byte", "cut", "cut with an end", "hole", "double", "insert", "zeros", "end"]
END = b"\xff\xd9"


def damaged(whole: bytes, chance: random.Random) -> bytes:
    size, scan = len(whole), whole.rindex(b"\xff\xda")
    place = chance.randrange(scan, size) if chance.random() < 0.6 else chance.randrange(2, size)
    behind = min(size, place + chance.randrange(1, 50))
    before, piece, after = whole[:place], whole[place:behind], whole[behind:]
    rest = piece + after

    def flipped(*places: int) -> bytes:
        changed = bytearray(whole)
        for at in places:
            changed[at] ^= 1 << chance.randrange(8)
        return bytes(changed)

    match chance.choice(KINDS):
        case "bit":
            return flipped(place)
        case "bits":
            return flipped(*(chance.randrange(2, size) for _ in range(4)))
        case "header":
            return flipped(chance.randrange(2, scan))
        case "byte":
            return before + bytes([chance.choice([0, 255, chance.randrange(256)])]) + rest[1:]
        case "cut":
            return before
        case "cut with an end":
            return before + END
        case "hole":
            return before + after
        case "double":
            return before + piece + rest
        case "insert":
            return before + chance.randbytes(chance.randrange(1, 9)) + rest
        case "zeros":
            return before + bytes(len(piece)) + after
        case _:
            return before + END + rest


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    settings = parser.parse_args()
    chance = random.Random(settings.seed)
    with tarfile.open(ARCHIVE) as archive:
        names = [name for name in sorted(archive.getnames()) if name.endswith(".jpg")]
        # djpeg writes inks in another way.
        names = [name for name in names if not name.startswith(("cmyk", "ycck", "arithmetic"))]
        files = [archive.extractfile(name).read() for name in names]
    outcomes: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder, f"{number}.jpg") for number in range(settings.count)]
        for path in paths:
            path.write_bytes(damaged(chance.choice(files), chance))
        command = ["cargo", "run", "--quiet", "--release", "--locked", "-p", "galmorph-cutout", "--example", "decoded", "--"]
        ran = subprocess.run([*command, *paths], cwd=HOME, check=True, stdout=subprocess.PIPE, text=True)
        ours = [line.split("\t")[1] for line in ran.stdout.splitlines()]
        for path, checksum in zip(paths, ours, strict=True):
            theirs = subprocess.run(["djpeg", "-strict", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            is_accepted = theirs.returncode == 0 and not theirs.stderr
            if checksum == "refused":
                outcomes["refused by djpeg, too" if not is_accepted else "refused by galmorph alone"] += 1
            elif not is_accepted:
                outcomes["ACCEPTED BY GALMORPH ALONE"] += 1
            else:
                pixels = theirs.stdout.split(b"\n", 3)[3]
                is_same = f"{zlib.crc32(pixels):08x}" == checksum
                outcomes["the same pixels" if is_same else "OTHER PIXELS"] += 1
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:6} {outcome}")
    return not any(outcome.isupper() for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
