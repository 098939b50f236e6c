#!/usr/bin/env python3
"""Runs workers of the benchmark in turns, and says how much CPU time each needs for a view.

Each turn is a new process, and the order is drawn anew in each round, since the first of a fixed order is measured under
other conditions than the last. A command may begin with settings of the environment (NAME=VALUE). It is a worker's, whose
first number is that of the views: `--example worker` of galmorph-engine, or inference_worker.py.

usage: tests/benchmark/turns.py ROUNDS SECONDS NAME=COMMAND NAME=COMMAND...

For instance:
  tests/benchmark/turns.py 7 1 onnxruntime="python tests/benchmark/inference_worker.py resnet18.onnx 1 1 onnxruntime" \\
      ours="target/release/examples/worker resnet18.onnx 1 1 avx512"
"""

import json
import os
import random
import shlex
import statistics
import subprocess
import sys


def measure(command, seconds):
    """The CPU time of a view, in ms, over about so many seconds of runs."""
    words, environment = shlex.split(command), dict(os.environ)
    while "=" in words[0]:
        name, value = words.pop(0).split("=", 1)
        environment[name] = value
    views = int(next(word for word in words if word.isdigit()))
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as worker:

        def run(count):
            worker.stdin.write(f"{count}\n")
            worker.stdin.flush()
            return json.loads(worker.stdout.readline())

        if not worker.stdout.readline():
            sys.exit(f"turns: this ended at once: {command}")
        # The first runs fill caches and fetch memory.
        run(2)
        count = max(1, round(seconds / (run(3)["wall_seconds"] / 3)))
        milliseconds = run(count)["cpu_seconds"] / count / views * 1e3
        worker.stdin.close()
    return milliseconds


def main():
    if len(sys.argv) < 4 or not all("=" in argument for argument in sys.argv[3:]):
        sys.exit(__doc__)
    rounds, seconds = int(sys.argv[1]), float(sys.argv[2])
    commands = dict(argument.split("=", 1) for argument in sys.argv[3:])
    times = {name: [] for name in commands}
    for _ in range(rounds):
        for name in random.sample(list(commands), len(commands)):
            times[name].append(measure(commands[name], seconds))
    first = statistics.median(next(iter(times.values())))
    for name, of in times.items():
        median = statistics.median(of)
        print(f"{name:16} median {median:8.3f} ms a view, {min(of):.3f} to {max(of):.3f}; speed {first / median:.2f}")


if __name__ == "__main__":
    main()
