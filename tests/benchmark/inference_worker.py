"""A runtime of the benchmark: loads a model, then runs it as often as a line of standard input says.

Speaks as engine/examples/worker.rs does. Each thread runs the model on views of its own, and the runtime
is given one thread for each, as in a pool of workers.

usage: inference_worker.py MODEL.onnx VIEWS THREADS RUNTIME

RUNTIME is one of onnxruntime, onnxruntime-int8, openvino-f32, openvino-bf16, openvino-int8 and torch. ONNX Runtime and
OpenVINO see by the model itself that it is quantised.
"""

import json
import math
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import onnx


def onnxruntime(path, _views, _threads):
    import onnxruntime

    def load():
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda: lambda views: session.run(None, {"views": views})[0]

    return load


def view_shape(path):
    """The shape of a view, as the model's file states it."""
    dimensions = onnx.load(path, load_external_data=False).graph.input[0].type.tensor_type.shape.dim
    return [dimension.dim_value for dimension in dimensions[1:]]


def openvino(path, views, threads, precision):
    import openvino

    def load():
        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}
        # What isn't quantised is in the precision that OpenVINO prefers.
        if precision != "int8":
            settings["INFERENCE_PRECISION_HINT"] = precision
        model = core.read_model(path)
        model.reshape({"views": [views, *view_shape(path)]})
        compiled = core.compile_model(model, "CPU", settings)

        def runner():
            request = compiled.create_infer_request()
            return lambda views: request.infer({"views": views})[0]

        return runner

    return load


def torch(path, views, _threads):
    import torch

    from onnx_in_torch import Network

    torch.set_num_threads(1)

    def load():
        network = Network(path).eval()
        with torch.inference_mode():
            traced = torch.jit.trace(network, torch.zeros(views, *view_shape(path)))
            frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))

        def run(views):
            with torch.inference_mode():
                return frozen(torch.from_numpy(views)).numpy()

        return lambda: run

    return load


def peak_bytes():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)[1]) * 1024


def say(**values):
    print(json.dumps(values | {"peak_bytes": peak_bytes()}), flush=True)


def main():
    path, views, threads, runtime = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    if runtime in ("onnxruntime", "onnxruntime-int8"):
        load = onnxruntime(path, views, threads)
    elif runtime.startswith("openvino-"):
        load = openvino(path, views, threads, runtime.removeprefix("openvino-"))
    elif runtime == "torch":
        load = torch(path, views, threads)
    else:
        sys.exit(f"no runtime '{runtime}'")
    # The values of worker.rs.
    shape = [views, *view_shape(path)]
    values = numpy.arange(math.prod(shape), dtype=numpy.int64) * 7919 % 509
    images = (values.astype(numpy.float32) / 254 - 1).reshape(shape)
    began = time.perf_counter()
    runner = load()
    runners = [runner() for _ in range(threads)]
    for run in runners:
        run(images)
    say(load_seconds=time.perf_counter() - began)

    def work(run, runs):
        for _ in range(runs):
            run(images)

    with ThreadPoolExecutor(threads) as pool:
        for line in sys.stdin:
            began, cpu = time.perf_counter(), time.process_time()
            for done in [pool.submit(work, run, int(line)) for run in runners]:
                done.result()
            say(wall_seconds=time.perf_counter() - began, cpu_seconds=time.process_time() - cpu)


if __name__ == "__main__":
    main()
