"""Lays out the documents of a Debian package, so that their links lead to what is in the package.

usage: package_documents.py PACKAGE FOLDER     (FOLDER is what becomes /usr/share/doc/PACKAGE)
"""

import os
import pathlib
import re
import shutil
import sys

HOME = pathlib.Path(__file__).resolve().parents[1]

# Where Debian wants these two; scripts/package and cargo-deb write them.
WRITTEN = {"CHANGELOG.md": "changelog.gz", "LICENSE": "copyright"}

# What is in each package, by its path in the repository.
PACKAGES = {
    "galmorph": {
        "README.md": "README.md",
        "data/README.md": "data/README.md",
        "data/galmorph.toml": "examples/galmorph.toml",
        "data/zhu2019-cuts.toml": "data/zhu2019-cuts.toml",
        "models/README.md": "models/README.md",
        "systemd/home.conf": "examples/home.conf",
    }
    | {f"docs/{file.name}": f"docs/{file.name}" for file in (HOME / "docs").iterdir()},
    # The daemon's package has the other documents, and may not be there.
    "galmorph-fleet": {"docs/fleet.md": "fleet.md"},
}

LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def led_on(source: str, text: str, shipped: dict[str, str]) -> str:
    """The text of a document of the repository, with links as they are in the package."""

    def replace(link: re.Match) -> str:
        words, target = link.groups()
        path, _, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return link[0]
        there = os.path.normpath(os.path.join(os.path.dirname(source), path))
        if there not in shipped:
            # What only a clone has keeps its name.
            return words
        here = os.path.dirname(shipped[source])
        path = os.path.relpath(shipped[there], here or ".")
        return f"{link[0][: link.start(2) - link.start()]}{path}{'#' + anchor if anchor else ''})"

    return LINK.sub(replace, text)


def main() -> None:
    package, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    shipped = PACKAGES[package] | WRITTEN
    for source, target in PACKAGES[package].items():
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        if source.endswith(".md"):
            path.write_text(led_on(source, (HOME / source).read_text(), shipped))
        else:
            shutil.copyfile(HOME / source, path)


main()
