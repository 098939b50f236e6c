"""Computes the paper's preprocessing with TensorFlow, and the antialiased one with Pillow, as the golden tests' reference.

The reference is, for each test scale Q:
    resize_with_crop_or_pad to Q x Q -> resize_bilinear (TensorFlow 1's) to 80 x 80
    -> the central 64 x 64 -> per_image_standardization
Antialiased views are resized by Pillow's BILINEAR instead, to another size.

Run it through scripts/reference, which installs TensorFlow.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import PIL.Image
import tensorflow as tf

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "cutout/tests/golden"
SCALES = [180, 200, 220, 240]

# The cases of cutout/tests/golden.rs: pattern, width, height, and the stride of the
# values that are kept. 1 keeps all; 5 keeps every fifth value of a view, to save room.
CASES = [
    ("texture", 424, 424, 1),  # the size of Galaxy Zoo's cutouts
    ("texture", 264, 264, 5),
    ("texture", 301, 257, 5),  # odd sides: which way the half pixel goes
    ("texture", 200, 230, 5),  # padded in width, in height, or not, by scale
    ("texture", 150, 150, 5),  # padded at every scale
    ("texture", 97, 311, 1),  # padded in width, cropped in height
    ("spot", 264, 264, 1),  # nearly uniform: the lower bound of the whitening
]

# The cases of antialiased views in cutout/tests/golden.rs, and what they are.
ANTIALIASED_CASES = [
    ("texture", 424, 424, 7),
    ("texture", 301, 257, 7),
    ("texture", 150, 150, 7),  # padded at two of three scales
    ("texture", 97, 311, 7),
]
ANTIALIASED_SCALES = [100, 198, 331]  # enlarged, shrunk a little, shrunk much
ANTIALIASED_RESIZE, ANTIALIASED_CROP = 144, 128

# TensorFlow against itself on another processor; relative for values above 1.
GOLDEN_TOLERANCE = 1e-6
# Our views against TensorFlow's, from the same pixels.
VIEWS_TOLERANCE = 1e-4
REAL_CUTOUTS = 40


def texture(width, height):
    """Gradients and noise, in integer arithmetic that wraps at 32 bits."""
    y, x, c = np.meshgrid(
        *(np.arange(n, dtype=np.uint32) for n in (height, width, 3)), indexing="ij"
    )
    noise = (x * np.uint32(73856093)) ^ (y * np.uint32(19349663)) ^ (c * np.uint32(83492791))
    noise ^= noise >> np.uint32(13)
    noise *= np.uint32(0x5BD1E995)
    noise ^= noise >> np.uint32(15)
    gradient = (x + 2 * y * (c + 1)) // 6 % 192
    return (gradient + noise % 64).astype(np.uint8)


def spot(width, height):
    """Black except for a 1 in one channel of the middle pixel."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height // 2, width // 2, 0] = 1
    return pixels


def views(pixels):
    """The network inputs [scales, 3, 64, 64] of 8-bit pixels [height, width, 3]."""
    result = []
    for scale in SCALES:
        image = tf.cast(pixels, tf.float32)
        image = tf.image.resize_with_crop_or_pad(image, scale, scale)
        image = tf.compat.v1.image.resize_bilinear(
            image[tf.newaxis], [80, 80], align_corners=False, half_pixel_centers=False
        )[0]
        image = tf.image.per_image_standardization(image[8:72, 8:72])
        result.append(tf.transpose(image, [2, 0, 1]).numpy())
    return np.stack(result)


def antialiased_views(pixels, scales=ANTIALIASED_SCALES):
    """The views [scales, 3, crop, crop] as Pillow resizes them."""
    result = []
    margin = (ANTIALIASED_RESIZE - ANTIALIASED_CROP) // 2
    size = (ANTIALIASED_RESIZE, ANTIALIASED_RESIZE)
    for scale in scales:
        crop = tf.image.resize_with_crop_or_pad(pixels, scale, scale).numpy().astype(np.float32)
        planes = [
            np.asarray(PIL.Image.fromarray(plane).resize(size, PIL.Image.Resampling.BILINEAR))
            for plane in np.moveaxis(crop, 2, 0)
        ]
        image = np.stack(planes, axis=2)[margin:-margin, margin:-margin]
        image = tf.image.per_image_standardization(image)
        result.append(tf.transpose(image, [2, 0, 1]).numpy())
    return np.stack(result)


def shared_folder():
    """Where the real cutouts are, if they are."""
    return Path(os.environ.get("GALMORPH_SHARED", ROOT / "../shared")).resolve()


def dump_pixels(files, folder):
    """Writes the files' pixels and views, as our decoder makes them, to a folder:
    `<stem>.pixels.npy` and `<stem>.views.npy`."""
    command = ["cargo", "run", "--quiet", "--locked", "-p", "galmorph-cutout"]
    command += ["--example", "dump_pixels", "--", str(folder), *map(str, files)]
    subprocess.run(command, cwd=ROOT, check=True)


def golden(write):
    """Compares the arrays of TensorFlow and Pillow with the committed ones, or writes them. True if all agree."""
    patterns = {"texture": texture, "spot": spot}
    arrays = [("", views, case) for case in CASES]
    arrays += [("antialiased-", antialiased_views, case) for case in ANTIALIASED_CASES]
    good = True
    for prefix, make, (pattern, width, height, stride) in arrays:
        path = GOLDEN / f"{prefix}{pattern}-{width}x{height}.npy"
        array = make(patterns[pattern](width, height))
        array = array.reshape(len(array), -1)[:, ::stride]
        array = np.ascontiguousarray(array, dtype="<f4")
        if write:
            GOLDEN.mkdir(parents=True, exist_ok=True)
            np.save(path, array)
            print(f"wrote {path.relative_to(ROOT)}, {path.stat().st_size} bytes")
            continue
        name = path.relative_to(ROOT)
        if not path.is_file():
            print(f"FAIL {name}: missing (scripts/reference --write makes it)")
            good = False
            continue
        committed = np.load(path)
        if committed.shape != array.shape:
            print(f"FAIL {name}: shape {committed.shape}, the reference has {array.shape}")
            good = False
            continue
        worst = np.max(np.abs(committed - array) / np.maximum(1, np.abs(array)))
        verdict = "ok  " if worst <= GOLDEN_TOLERANCE else "FAIL"
        print(f"{verdict} {name}: differs by at most {worst:.1e}")
        good &= bool(worst <= GOLDEN_TOLERANCE)
    return good


def real_cutouts(folder):
    """Compares our decoder and views on real cutouts with TensorFlow's. True if they agree."""
    files = sorted(folder.glob("*.jpg"))
    files = files[:: max(1, len(files) // REAL_CUTOUTS)][:REAL_CUTOUTS]
    if not files:
        print(f"FAIL {folder}: no JPEGs")
        return False
    worst_view = worst_pixel = 0.0
    with tempfile.TemporaryDirectory() as output:
        dump_pixels(files, output)
        for file in files:
            ours = np.load(Path(output, f"{file.stem}.pixels.npy"))
            our_views = np.load(Path(output, f"{file.stem}.views.npy"))
            theirs = tf.io.decode_jpeg(file.read_bytes(), channels=3, dct_method="INTEGER_ACCURATE").numpy()
            if ours.shape != theirs.shape:
                print(f"FAIL {file.name}: decoded as {ours.shape}, by TensorFlow {theirs.shape}")
                return False
            difference = np.abs(ours.astype(int) - theirs.astype(int))
            worst_pixel = max(worst_pixel, difference.max())
            # np.maximum, unlike max, keeps a NaN.
            worst_view = np.maximum(worst_view, np.max(np.abs(our_views - views(ours))))
    print(
        f"{len(files)} real cutouts: views from our pixels differ by at most {worst_view:.1e}; "
        f"our pixels differ from tf.io.decode_jpeg's by at most {worst_pixel:.0f} levels"
    )
    return bool(worst_view <= VIEWS_TOLERANCE and worst_pixel == 0)


def main():
    parser = argparse.ArgumentParser(description="compare our preprocessing with TensorFlow's")
    parser.add_argument("--write", action="store_true", help="write the golden arrays instead of comparing them")
    write = parser.parse_args().write

    print(f"TensorFlow {tf.__version__}, NumPy {np.__version__}")
    good = golden(write)
    folder = shared_folder() / "galaxyzoo/full424"
    if write:
        pass
    elif folder.is_dir():
        good &= real_cutouts(folder)
    else:
        print("skipped: real cutouts (GALMORPH_SHARED names no folder with galaxyzoo/full424)")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
