#!/usr/bin/env python3
"""Makes cutout/tests/data/fits.tar: FITS files of every kind, and what astropy makes of them.

usage: scripts/fits_samples.py

Needs astropy (scripts/reference installs it into .venv-reference/). The images are computed: a galaxy of smooth light
with noise, in bands that differ in shape and brightness, and in no symmetry. In the archive are

- `NAME.fits`, `NAME.fits.gz` or `NAME.fits.fz`, and `expected.csv`: for each band of each file its name, the number of
  values that are finite, their sum, and their sum weighted by their place, rows from the top; and the position of the
  image's middle by astropy.wcs;
- `picture-NAME.f32`: what a stretch makes of a file, [3, height, width] or [1, height, width] of float32, 0 to 255,
  rows from the top. `legacy` is a copy of the recipe of the Legacy Surveys' viewer, `lupton` is astropy's
  make_lupton_rgb, `zscale` its ZScaleInterval.
"""

import gzip
import io
import pathlib
import tarfile
import warnings

import numpy as np
from astropy.io import fits
from astropy.visualization import LuptonAsinhStretch, ManualInterval, ZScaleInterval, make_lupton_rgb
from astropy.wcs import WCS

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "cutout" / "tests" / "data" / "fits.tar"
WIDTH, HEIGHT = 43, 37
RANDOM = np.random.default_rng(55)
FILES = {}
ROWS = []


def band(brightness, ratio, angle):
    """Light of one band, in nanomaggies or so, rows from the bottom."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    x, y = x - WIDTH / 2 + 1.3, y - HEIGHT / 2 - 0.8
    along = x * np.cos(angle) + y * np.sin(angle)
    across = (y * np.cos(angle) - x * np.sin(angle)) / ratio
    light = brightness * np.exp(-np.hypot(along, across) / 4)
    return light + RANDOM.normal(0, 0.01, light.shape) + 0.002 * x * brightness / 10


G, R, I, Z = (band(b, q, a) for b, q, a in [(0.4, 0.5, 0.4), (0.9, 0.55, 0.5), (1.3, 0.6, 0.55), (1.6, 0.6, 0.6)])
GRZ = np.stack([G, R, Z]).astype("f4")


def tan(**more):
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=187.6, CRVAL2=14.98, CRPIX1=20.25, CRPIX2=11.5,
        CD1_1=-7.2e-5, CD1_2=3e-6, CD2_1=2.5e-6, CD2_2=7.3e-5,
    )  # fmt: skip
    header.update(more)
    return header


def weights(count):
    return (np.arange(count) * 31 % 97 + 1).astype(float)


def add(name, hdus, bands, position=None, pack=None):
    """Adds a file. `bands` has (name, pixels as astropy gives them, rows from the bottom) for each band."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(hdus).writeto(buffer)
    add_bytes(name, buffer.getvalue(), bands, position, pack)


def add_bytes(name, data, bands, position=None, pack=None):
    if pack:
        data = pack(data)
    assert name not in FILES
    FILES[name] = data
    ra, dec = position if position else ("", "")
    for number, (band_name, read) in enumerate(bands):
        pixels = np.asarray(read(data), float)[::-1].ravel()
        good = np.isfinite(pixels)
        total = pixels[good].sum()
        placed = (pixels * weights(pixels.size))[good].sum()
        scale = np.abs(pixels[good]).sum()
        ROWS.append(f"{name},{number},{band_name},{good.sum()},{total!r},{placed!r},{scale!r},{ra!r},{dec!r}"
                    .replace("np.float64(", "").replace(")", "").replace("'", ""))


def reader(extension=0, index=...):
    """What astropy reads of a file: the pixels of an extension, or a part of them."""

    def read(data):
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        with fits.open(io.BytesIO(data)) as file:
            return np.array(file[extension].data[index])

    return read


def centre(header):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(header, naxis=2)
    world = wcs.all_pix2world((WIDTH - 1) / 2, (HEIGHT - 1) / 2, 0)
    return float(world[wcs.wcs.lng]), float(world[wcs.wcs.lat])


def one(name, pixels, band_name="", position=None, pack=None, **keywords):
    hdu = fits.PrimaryHDU(pixels)
    hdu.header.update(keywords)
    add(name, [hdu], [(band_name, reader())], position, pack)


def packed(name, pixels, band_name="", header=None, bands=None, **options):
    hdu = fits.CompImageHDU(pixels, header, **options)
    add(name, [fits.PrimaryHDU(), hdu], bands or [(band_name, reader(1))])


def whole(scale, dtype):
    return np.clip(np.round((R + 0.1) * scale), np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


def plain():
    for dtype in ["u1", "i2", "i4", "i8"]:
        one(f"plain-{dtype}.fits", whole({"u1": 150, "i2": 2e4, "i4": 1e8, "i8": 1e14}[dtype], dtype))
    one("plain-f4.fits", R.astype("f4"), FILTER="r")
    one("plain-f8.fits", R)
    for dtype in ["u2", "u4", "i1"]:
        one(f"plain-{dtype}.fits", whole({"u2": 5e4, "u4": 4e9, "i1": 100}[dtype], dtype))
    FILES.update(scaled())
    with_nan = R.astype("f4")
    with_nan[3:9, 20:] = np.nan
    with_nan[0, 0] = np.inf
    one("nan.fits", with_nan, "r", FILTER="r DECam SDSS c0002 6415.0 1480.0")
    one("packed-whole.fits.gz", R.astype("f4"), pack=lambda data: gzip.compress(data, 6, mtime=0))
    halves = lambda data: gzip.compress(data[:3000], mtime=0) + gzip.compress(data[3000:], mtime=0) + bytes(512)  # noqa: E731
    one("packed-members.fits.gz", R.astype("f4"), pack=halves)
    one("no-padding.fits", R.astype("f4"), pack=lambda data: data[: 2880 + 4 * WIDTH * HEIGHT])


def scaled():
    """i2 with BSCALE, BZERO and BLANK, which astropy would not keep as they are."""
    raw = whole(2e4, "i2")
    raw[5:7, 8:30] = -32768
    hdu = fits.PrimaryHDU(raw)
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    header = buffer.getvalue()[:2880].decode()
    end = header.index("END" + " " * 77)
    files = {}
    for name, cards in [
        ("scaled.fits", ["BSCALE  =               5.0E-05", "BZERO   =                 -0.25"]),
        ("blank.fits", ["BLANK   =                -32768"]),
        ("scaled-blank.fits", ["BSCALE  =               5.0D-05", "BZERO   =                  12", "BLANK   = -32768"]),
    ]:
        lines = "".join(f"{card:<80}" for card in [*cards, "END"])
        data = (header[:end] + lines).ljust(2880).encode() + buffer.getvalue()[2880:]
        add_bytes(name, data, [("", reader())])
        files[name] = data
    return files


def several():
    bands = [(name, reader(0, index)) for index, name in enumerate("grz")]
    legacy = {"BANDS": "grz", "BAND0": "g", "BAND1": "r", "BAND2": "z", "SURVEY": "DECaLS"}
    hdu = fits.PrimaryHDU(GRZ, tan(**legacy))
    position = centre(hdu.header)
    add("cube.fits", [hdu], bands, position)
    griz = fits.PrimaryHDU(np.stack([G, R, I, Z]).astype("f4"), tan(BANDS="griz", SURVEY="LegacySurvey"))
    add("cube-griz.fits", [griz], [(name, reader(0, index)) for index, name in enumerate("griz")], position)
    last = fits.PrimaryHDU(np.moveaxis(GRZ, 0, 2), fits.Header({"BANDS": "g,r,z"}))
    add("cube-bands-first-axis.fits", [last], [(name, reader(0, (..., index))) for index, name in enumerate("grz")])
    middle = fits.PrimaryHDU(np.moveaxis(GRZ, 0, 1), fits.Header({"BAND1": "g", "BAND2": "r", "BAND3": "z"}))
    add("cube-bands-second-axis.fits", [middle], [(b, reader(0, (slice(None), k))) for k, b in enumerate("grz")])
    four = fits.PrimaryHDU(GRZ[:, None], fits.Header({"BANDS": "g r z"}))
    add("cube-four-axes.fits", [four], [(name, reader(0, (index, 0))) for index, name in enumerate("grz")])
    gri = [fits.ImageHDU(pixels.astype("f4"), fits.Header({"FILTER": f, "BUNIT": "nanomaggy"}))
           for f, pixels in [("SDSS_i", I), ("SDSS_r", R), ("SDSS_g", G)]]  # fmt: skip
    add("extensions.fits", [fits.PrimaryHDU(), *gri], [(b, reader(k)) for k, b in enumerate("irg", 1)])
    named = [fits.ImageHDU(pixels.astype("f4"), name=name) for name, pixels in [("G", G), ("R", R), ("Z", Z)]]
    add("extensions-by-name.fits", [fits.PrimaryHDU(), *named], [(b, reader(k)) for k, b in enumerate("grz", 1)])
    weight = fits.ImageHDU(np.ones_like(GRZ), name="INVVAR")
    mask = fits.ImageHDU(np.zeros((HEIGHT, WIDTH), "i2"), name="MASKBITS")
    add("cube-with-weights.fits", [fits.PrimaryHDU(GRZ, tan(**legacy)), weight, mask], bands, position)
    science = fits.ImageHDU(R.astype("f4"), tan(FILTER="r"), name="SCI")
    error = fits.ImageHDU(np.full((HEIGHT, WIDTH), 0.1, "f4"), name="ERR")
    table = fits.BinTableHDU.from_columns([fits.Column("x", "J", array=[1, 2, 3])])
    add("science-error-table.fits", [fits.PrimaryHDU(), table, error, science], [("r", reader(3))],
        centre(science.header))  # fmt: skip


def tiles():
    for kind in ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"]:
        short = kind.lower().removesuffix("_1")
        # HCOMPRESS wants tiles of at least four lines.
        shape = {"tile_shape": (16, 16)} if kind.startswith("HC") else {}
        packed(f"{short}-i2.fits.fz", whole(2e4, "i2"), compression_type=kind, **shape)
        packed(f"{short}-f4.fits.fz", R.astype("f4"), compression_type=kind, quantize_level=16, quantize_method=1,
               dither_seed=7, **shape)  # fmt: skip
    packed("rice-i4-tiles.fits.fz", whole(1e6, "i4"), compression_type="RICE_1", tile_shape=(11, 16))
    packed("rice-u1.fits.fz", whole(150, "u1"), compression_type="RICE_1")
    packed("rice-u2.fits.fz", whole(5e4, "u2"), compression_type="RICE_1")
    packed("plio-i2.fits.fz", (R > 0.1).astype("i2") * 3, compression_type="PLIO_1")
    zeros = R.astype("f4")
    zeros[10:20] = 0
    packed("rice-f4-dither-2.fits.fz", zeros, compression_type="RICE_1", quantize_method=2, dither_seed=3)
    packed("rice-f4-no-dither.fits.fz", R.astype("f4"), compression_type="RICE_1", quantize_method=-1)
    with_nan = R.astype("f4")
    with_nan[3:9, 20:] = np.nan
    packed("rice-f4-nan.fits.fz", with_nan, compression_type="RICE_1", quantize_method=1, dither_seed=7)
    packed("gzip-f4-lossless.fits.fz", R.astype("f4"), compression_type="GZIP_1", quantize_level=0)
    packed("gzip_2-f4-lossless.fits.fz", R.astype("f4"), compression_type="GZIP_2", quantize_level=0)
    bands = [(name, reader(1, index)) for index, name in enumerate("grz")]
    packed("rice-cube.fits.fz", GRZ, header=fits.Header({"BANDS": "grz", "SURVEY": "DECaLS"}), bands=bands,
           compression_type="RICE_1", quantize_method=1, dither_seed=9)  # fmt: skip
    many = [fits.CompImageHDU(pixels.astype("f4"), fits.Header({"FILTER": f}), compression_type="RICE_1")
            for f, pixels in [("g", G), ("r", R), ("i", I)]]  # fmt: skip
    add("rice-extensions.fits.fz", [fits.PrimaryHDU(), *many], [(b, reader(k)) for k, b in enumerate("gri", 1)])


def positions():
    def place(name, header):
        hdu = fits.PrimaryHDU(R.astype("f4"), header)
        add(f"wcs-{name}.fits", [hdu], [("", reader())], centre(hdu.header))

    sip = tan(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=3, B_ORDER=2, CRPIX1=-300.0, CRPIX2=250.0)
    sip.update({"A_2_0": 3e-5, "A_1_1": -2e-5, "A_0_3": 1e-7, "B_0_2": 2.5e-5, "B_1_1": 1e-5, "B_2_0": -4e-6})
    place("sip", sip)
    turned = tan(CDELT1=-1.1e-4, CDELT2=1.1e-4, CROTA2=33.0, CRVAL2=-71.2)
    for key in ["CD1_1", "CD1_2", "CD2_1", "CD2_2"]:
        del turned[key]
    place("crota", turned)
    del turned["CROTA2"]
    turned.update(PC1_1=0.8, PC1_2=-0.6, PC2_1=0.6, PC2_2=0.8, CRVAL1=0.0003, CRVAL2=89.999)
    place("pc-pole", turned)
    place("swapped", tan(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=14.98, CRVAL2=187.6, CD1_1=7e-5, CD2_2=-7e-5))
    place("far", tan(CRPIX1=-2000.0, CRPIX2=3000.0, CRVAL2=-45.0, EQUINOX=2000.0, RADESYS="FK5"))


def legacy_rgb(images, scales, mix, offset=0.03, q=20):
    """The recipe of the Legacy Surveys' viewer, in our words: the mean of the scaled bands through an asinh, each band
    scaled by what that changes, cut off at white."""
    scaled = [np.asarray(image, float) * scale + offset for image, scale in zip(images, scales)]
    mean = sum(np.maximum(0, image) for image in scaled) / len(scaled)
    factor = np.arcsinh(q * mean) / np.sqrt(q) / np.where(mean == 0, 1e-6, mean)
    shown = [np.clip(image * factor, 0, 1) for image in scaled]
    return sum(image[None] * np.array(rgb, float)[:, None, None] for image, rgb in zip(shown, mix))


def pictures():
    def keep(name, picture):
        FILES[f"picture-{name}.f32"] = np.ascontiguousarray(255 * np.asarray(picture)[:, ::-1], "<f4").tobytes()

    keep("legacy-cube", legacy_rgb(GRZ, [6.0, 3.4, 2.2], [(0, 0, 1), (0, 1, 0), (1, 0, 0)]))
    mix = [(0, 0, 0.75), (0, 0.5, 0.25), (0.25, 0.5, 0), (0.75, 0, 0)]
    griz = np.stack([G, R, I, Z]).astype("f4")
    keep("legacy-cube-griz", legacy_rgb(griz, [9.0, 5.1, 4.5, 3.3], mix))
    weighted = [GRZ[2] * 0.7, GRZ[1] * 1.1, GRZ[0] * 1.8]
    lupton = make_lupton_rgb(
        *weighted, interval=[ManualInterval(vmin=-0.005, vmax=None)] * 3,
        stretch_object=LuptonAsinhStretch(stretch=0.5, Q=10), output_dtype=float,
    )  # fmt: skip
    keep("lupton-cube", np.moveaxis(lupton, 2, 0))
    shown = []
    for image in GRZ[::-1]:
        low, high = ZScaleInterval().get_limits(image)
        shown.append(np.clip((image - low) / (high - low), 0, 1))
    keep("zscale-cube", shown)


def main():
    plain()
    several()
    tiles()
    positions()
    pictures()
    header = "name,number,band,finite,sum,placed,scale,ra,dec"
    FILES["expected.csv"] = "\n".join([header, *ROWS, ""]).encode()
    with tarfile.open(OUTPUT, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(FILES):
            entry = tarfile.TarInfo(name)
            entry.size = len(FILES[name])
            archive.addfile(entry, io.BytesIO(FILES[name]))
    images = len([name for name in FILES if ".fits" in name])
    print(f"{images} FITS files, {OUTPUT.stat().st_size / 1000:.0f} kB in {OUTPUT}")


if __name__ == "__main__":
    main()
