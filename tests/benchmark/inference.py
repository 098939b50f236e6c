"""How fast the networks run, in galmorph's engine and in other runtimes; see scripts/bench.

Every runtime is a process of its own that has loaded the model. They take turns: for each round, each
runs the model for about a second while the others wait. A figure is the median over the rounds, and
ratios are taken within a round, so that a machine that is busy for a while harms all alike.

usage: inference.py --output DIR [--models FILE ...] [--batches 1,4,16] [--threads 1,2] [--rounds 7]
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = REPOSITORY / "target" / "release" / "examples" / "worker"
OTHERS = Path(__file__).with_name("inference_worker.py")
OURS = {
    "amxbf16": "galmorph, bf16, AMX",
    "avx512bf16": "galmorph, bf16, AVX-512",
    "avx512": "galmorph, f32, AVX-512",
    "avx2": "galmorph, f32, AVX2",
    "portable": "galmorph, f32, portable",
    "tract": "tract as it comes, f32",
}
THEIRS = {
    "onnxruntime": "ONNX Runtime, f32",
    "openvino-f32": "OpenVINO, f32",
    "openvino-bf16": "OpenVINO, bf16",
    "torch": "PyTorch, f32",
}
CPU_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")


class Runtime:
    """A process that has loaded the model."""

    def __init__(self, name, model, batch, threads):
        self.name, self.views_a_run = name, batch * (threads if name in OURS else 1)
        program = [WORKER] if name in OURS else [sys.executable, OTHERS]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
        self.process = subprocess.Popen(
            [*program, model, str(batch), str(threads), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.loaded = self.answer()
        self.runs = 1
        if self.loaded:
            took = self.run()
            self.runs = max(1, round(1.0 / max(took["wall_seconds"], 1e-3)))
            self.rounds = []

    def answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def fault(self):
        return self.process.stderr.read().strip().splitlines()[-1:]

    def run(self):
        self.process.stdin.write(f"{self.runs}\n")
        self.process.stdin.flush()
        return self.answer()

    def round(self):
        took, views = self.run(), self.runs * self.views_a_run
        self.rounds.append({key: 1e3 * value / views for key, value in took.items()})

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def measure(model, batch, threads, rounds, names):
    runtimes, missing = [], {}
    for name in names:
        runtime = Runtime(name, model, batch, threads)
        if runtime.loaded:
            runtimes.append(runtime)
        else:
            missing[name] = " ".join(runtime.fault())
    for _ in range(rounds):
        for runtime in runtimes:
            runtime.round()
    for runtime in runtimes:
        runtime.end()
    return {runtime.name: runtime.loaded | {"rounds": runtime.rounds} for runtime in runtimes}, missing


def median(measured, key):
    return statistics.median(round[key] for round in measured["rounds"])


def ratio(of, to, key="cpu_seconds"):
    """How many times as fast `to` is as `of`: the median over the rounds, and their range."""
    ratios = [a[key] / b[key] for a, b in zip(of["rounds"], to["rounds"])]
    return statistics.median(ratios), min(ratios), max(ratios)


def table(title, results, reference):
    lines = [
        f"**{title}**",
        "",
        f"| runtime | CPU ms a view | views/s | speed, {(OURS | THEIRS)[reference]} = 1 | load, s | peak memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, measured in results.items():
        middle, low, high = ratio(results[reference], measured)
        values = [round["cpu_seconds"] for round in measured["rounds"]]
        lines.append(
            f"| {(OURS | THEIRS)[name]} | {median(measured, 'cpu_seconds'):.2f} ({min(values):.2f} to {max(values):.2f}) "
            f"| {1e3 / median(measured, 'wall_seconds'):.0f} | {middle:.2f} ({low:.2f} to {high:.2f}) "
            f"| {measured['load_seconds']:.1f} | {measured['rss_bytes'] / 1e6:.0f} |"
        )
    return "\n".join(lines)


def processor():
    text = Path("/proc/cpuinfo").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = fields.get("flags", "").split()
    return f"{fields.get('model name', 'unknown')}; " + ", ".join(flag for flag in CPU_FLAGS if flag in flags)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--models", nargs="+", type=Path)
    parser.add_argument("--batches", default="1,4,16")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runtimes", default=",".join(OURS | THEIRS))
    arguments = parser.parse_args()
    models = arguments.models or [REPOSITORY / "models" / name for name in ("zhu2019.onnx", "zhu2019-small.onnx")]

    everything, parts = [], [f"Processor: {processor()}."]
    counts = [[int(count) for count in text.split(",")] for text in (arguments.batches, arguments.threads)]
    for model, threads, batch in itertools.product(models, counts[1], counts[0]):
        title = f"{model.stem}, {batch} views a run, {threads} thread{'s' * (threads > 1)}"
        print(title, flush=True)
        results, missing = measure(model, batch, threads, arguments.rounds, arguments.runtimes.split(","))
        for name, fault in missing.items():
            print(f"  {(OURS | THEIRS)[name]}: left out ({fault})", flush=True)
        reference = "onnxruntime" if "onnxruntime" in results else next(iter(results))
        parts.append(table(title, results, reference))
        print(parts[-1], flush=True)
        everything.append({"model": model.stem, "views": batch, "threads": threads, "results": results})
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "inference.json").write_text(json.dumps({"processor": processor(), "runs": everything}))
    (arguments.output / "inference.md").write_text("\n\n".join(parts) + "\n")


main()
