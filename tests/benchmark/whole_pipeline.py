"""galmorph watch, as the benchmark runs it: from the rename of JPEG files to the last committed row."""

import os
import re
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "target" / "release" / "galmorph"
PAUSE = 0.01  # seconds between two looks at the catalog


def drain(model, precision, workers, cores, files, output):
    """Images a second, processor seconds an image by kind of thread, load time and peak memory."""
    with tempfile.TemporaryDirectory(dir=output) as name:
        place = Path(name).resolve()
        inbox, ready = place / "inbox", place / "ready"
        inbox.mkdir()
        ready.mkdir()
        images = [path.read_bytes() for path in sorted((REPOSITORY / "data" / "cutouts").glob("*.jpg"))]
        for number in range(files + 1):
            # A number after an image's end makes another content of it.
            (ready / f"{number}.jpg").write_bytes(images[number % len(images)] + f" {number}".encode())
        options = ["--model", model, "--precision", precision, "--workers", str(workers)]
        began = time.perf_counter()
        process = subprocess.Popen(
            [PROGRAM, "watch", inbox, "--catalog", place / "catalog.sqlite", "-v", *options],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        try:
            kernel = None
            for line in process.stderr:
                if found := re.search(r"model '.*' \([^,]*, (.*)\), catalog", line):
                    kernel = found[1]
                    break
            assert kernel, "galmorph watch has ended"
            load_seconds = time.perf_counter() - began
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return {
                "kernel": kernel,
                "load_seconds": load_seconds,
                "files": files,
            } | burst(process, place, files)
        finally:
            process.terminate()
            process.wait()


def burst(process, place, files):
    rows_are = rows_reader(process, place / "catalog.sqlite")
    move = lambda number: (place / "ready" / f"{number}.jpg").rename(place / "inbox" / f"{number}.jpg")
    # What is set up for the first image is not the burst's.
    move(files)
    rows_are(1)
    before, began = cpu_by_thread(process.pid), time.perf_counter()
    for number in range(files):
        move(number)
    rows_are(files + 1)
    wall = time.perf_counter() - began
    cpu = {kind: seconds - before.get(kind, 0) for kind, seconds in cpu_by_thread(process.pid).items()}
    status = Path(f"/proc/{process.pid}/status").read_text()
    return {
        "images_per_second": files / wall,
        "cpu_seconds": {kind: seconds / files for kind, seconds in cpu.items()},
        "peak_bytes": int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)[1]) * 1024,
    }


def rows_reader(process, catalog):
    connection = sqlite3.connect(f"file:{catalog}?mode=ro", uri=True, isolation_level=None)

    def rows_are(count):
        """Waits until so many files are classified."""
        while True:
            assert process.poll() is None, "galmorph watch has ended"
            rows = dict(connection.execute("SELECT state, count(*) FROM cutout GROUP BY state"))
            assert set(rows) <= {"classified"}, f"files were rejected: {rows}"
            if sum(rows.values()) == count:
                return
            time.sleep(PAUSE)

    return rows_are


def cpu_by_thread(process):
    """Processor time in seconds, by the kind of thread."""
    seconds = {}
    for task in Path(f"/proc/{process}/task").iterdir():
        kind = re.sub(r"-\d+$", "", (task / "comm").read_text().strip())
        nanoseconds = int((task / "schedstat").read_text().split()[0])
        seconds[kind] = seconds.get(kind, 0) + nanoseconds / 1e9
    return seconds
