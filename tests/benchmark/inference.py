"""How fast the networks run, in galmorph and in other runtimes; see scripts/bench.

Every runtime is a process of its own that has loaded the model. They take turns: for each round, each
runs the model for a while as the others wait. A figure is the median over the rounds, and ratios are
taken within a round, so that a machine that is busy for a while harms all alike.

usage: inference.py [--output DIR] [--document FILE] [--models FILE ...] [--int8 FILE ...] [--batches 1,4,16]
                    [--threads 1,2] [--rounds 5] [--seconds 0.5] [--images SECONDS] [--runtimes NAMES]

--int8 names the same models, quantised (galmorph-train export --arithmetic int8), in the order of --models.
"""

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import performance_page
from performance_page import HIDDEN, HIDDEN_INT8, INT8, OURS, OURS_INT8, RUNTIMES
from whole_pipeline import REPOSITORY, drain

WORKER = REPOSITORY / "target" / "release" / "examples" / "worker"
OTHERS = Path(__file__).with_name("inference_worker.py")
# Hides instructions from a process: the source, and what is left by each way to build it.
HIDING = Path(__file__).with_name("without_avx512.c")
HIDES = {
    "avx512": ["-DKEEP_AVX512"],
    "avxvnni": ["-DKEEP_AVX_VNNI"],
    "avx2": [],
}
CPU_FLAGS = (
    "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16",
)  # fmt: skip
VIEWS_OF_AN_IMAGE = 4
# On Intel's processors, vectors of f32 are faster than those of bf16 (`Kernel::fastest`).
IS_INTEL = "GenuineIntel" in Path("/proc/cpuinfo").read_text()
# The kernels that `--precision auto` and `--precision f32` choose from, in their order.
PRECISIONS = {
    "auto": ["amxbf16", *([] if IS_INTEL else ["avx512bf16"]), "avx512", "avx2", "portable"],
    "f32": ["avx512", "avx2", "portable"],
}


class Runtime:
    """A process that has loaded the model."""

    def __init__(self, name, model, batch, threads, seconds):
        self.name, self.views_a_run = name, batch * threads
        program = [WORKER] if name in OURS | OURS_INT8 | {"tract": ""} else [sys.executable, OTHERS]
        # Each thread is one of ours; no library is to add more of its own.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
        if name in HIDDEN | HIDDEN_INT8:
            name, left = name.rsplit("-", 1)
            environment["LD_PRELOAD"] = str(hiding(left))
        self.process = subprocess.Popen(
            [*program, model, str(batch), str(threads), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, cores(threads)),
        )
        self.runs, self.rounds = 1, []
        self.loaded = self.answer()
        if self.loaded:
            took = self.run()
            self.runs = max(1, round(seconds / max(took["wall_seconds"], 1e-3)))

    def answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def fault(self):
        lines = self.process.stderr.read().strip().splitlines() or ["it has ended"]
        return lines[-1].removeprefix("Error: ").strip("\"")

    def run(self):
        self.process.stdin.write(f"{self.runs}\n")
        self.process.stdin.flush()
        return self.answer()

    def round(self):
        took, views = self.run(), self.runs * self.views_a_run
        times = {key: took[key] / views for key in ("wall_seconds", "cpu_seconds")}
        self.rounds.append(times)
        self.loaded["peak_bytes"] = took["peak_bytes"]
        return times

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def hiding(left):
    """The library that leaves a process these instructions."""
    return REPOSITORY / "target" / "bench" / f"{left}_alone.so"


def build_hiding():
    for left, options in HIDES.items():
        hiding(left).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", *options, "-o", hiding(left), HIDING], check=True)


def cores(threads):
    """The first cores that this process may use: the same for every runtime."""
    return set(sorted(os.sched_getaffinity(0))[:threads])


def start(names, model, int8, batch, threads, seconds):
    """The runtimes that this machine can run, and why not the others."""
    runtimes, missing = [], {}
    for name in names:
        if name in INT8 and not int8:
            continue
        runtime = Runtime(name, int8 if name in INT8 else model, batch, threads, seconds)
        if runtime.loaded:
            runtimes.append(runtime)
        else:
            missing[name] = runtime.fault()
            print(f"  {RUNTIMES[name]}: left out ({missing[name]})", flush=True)
    return runtimes, missing


def measure_networks(names, model, int8, batch, threads, settings):
    runtimes, missing = start(names, model, int8, batch, threads, settings.seconds)
    for _ in range(settings.rounds):
        for runtime in runtimes:
            runtime.round()
    for runtime in runtimes:
        runtime.end()
    results = {runtime.name: runtime.loaded | {"rounds": runtime.rounds} for runtime in runtimes}
    return {"model": model.stem, "batch": batch, "threads": threads, "results": results, "missing": missing}


def measure_pipeline(model, counts, settings):
    """The whole pipeline and the network alone, in turns: each precision, with each number of workers."""
    ways = []
    for precision, threads in itertools.product(PRECISIONS, counts):
        for name in PRECISIONS[precision]:
            network = Runtime(name, model, VIEWS_OF_AN_IMAGE, threads, settings.seconds)
            if network.loaded:
                break
        if any((threads, network.name) == (other, way.name) for _, other, way in ways):
            network.end()  # A processor without bf16 does the same for both.
            continue
        ways.append((precision, threads, network))
    results = [
        {"precision": precision, "workers": threads, "network": network.name, "rounds": []}
        for precision, threads, network in ways
    ]
    for _ in range(settings.rounds):
        for (precision, threads, network), result in zip(ways, results):
            alone = 1 / (network.round()["wall_seconds"] * VIEWS_OF_AN_IMAGE)
            files = max(20, round(alone * settings.images))
            whole = drain(model, precision, threads, cores(threads), files, settings.output)
            result["rounds"].append(whole | {"network_images_per_second": alone})
    for _, _, network in ways:
        network.end()
    return {"model": model.stem, "results": results}


def packages():
    for name in ("onnxruntime", "openvino", "torch"):
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, "not installed"


def machine():
    text = Path("/proc/cpuinfo").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = fields.get("flags", "").split()
    return {
        "processor": fields.get("model name", platform.machine()),
        "offers": {flag: flag in flags for flag in CPU_FLAGS},
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": dict(packages()),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, default=REPOSITORY / "target" / "bench")
    parser.add_argument("--document", type=Path, default=REPOSITORY / "docs" / "performance.md")
    parser.add_argument("--models", nargs="+", type=Path)
    parser.add_argument("--int8", nargs="+", type=Path, default=[])
    parser.add_argument("--batches", default="1,4,16")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each turn of a runtime")
    parser.add_argument("--images", type=float, default=4.0, help="seconds for each run of the whole pipeline; 0 for none")
    parser.add_argument("--runtimes", default=",".join(name for name in RUNTIMES if name != "portable"))
    settings = parser.parse_args()
    models = settings.models or [REPOSITORY / "models" / name for name in ("zhu2019.onnx", "zhu2019-small.onnx")]
    batches, threads = ([int(count) for count in text.split(",")] for text in (settings.batches, settings.threads))
    threads = [count for count in threads if len(cores(count)) == count]
    settings.output.mkdir(parents=True, exist_ok=True)
    names = settings.runtimes.split(",")
    if settings.int8 and len(settings.int8) != len(models):
        parser.error("--int8 has to name one file for each model")
    if not (HIDDEN | HIDDEN_INT8).keys().isdisjoint(names):
        build_hiding()

    measured = {"machine": machine(), "rounds": settings.rounds, "networks": [], "pipelines": []}
    pairs = list(itertools.zip_longest(models, settings.int8))
    for (model, int8), count, batch in itertools.product(pairs, threads, batches):
        views, workers = performance_page.plural(batch, "view"), performance_page.plural(count, "thread")
        print(f"{model.stem}, {views} a run, {workers}", flush=True)
        run = measure_networks(names, model, int8, batch, count, settings)
        measured["networks"].append(run)
        print(performance_page.network_table(run), flush=True)
    for model in models if settings.images else []:
        print(f"{model.stem}, the whole pipeline", flush=True)
        run = measure_pipeline(model, threads, settings)
        measured["pipelines"].append(run)
        print(performance_page.pipeline_table(run), flush=True)
    (settings.output / "performance.json").write_text(json.dumps(measured, indent=1))
    performance_page.write(measured, settings.document)
    print(f"written: {settings.document}")


if __name__ == "__main__":
    main()
