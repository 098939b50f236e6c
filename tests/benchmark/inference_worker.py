"""A runtime of the benchmark: loads a model, then runs it as often as a line of standard input says.

Speaks as engine/examples/worker.rs does.

usage: inference_worker.py MODEL.onnx VIEWS THREADS onnxruntime|openvino-f32|openvino-bf16|torch
"""

import json
import resource
import sys
import time


def onnxruntime(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda views: session.run(None, {"views": views})


def openvino(path, threads, precision):
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": 1,
    }
    model = core.read_model(path)
    compiled = {}

    def run(views):
        if "request" not in compiled:
            model.reshape({"views": list(views.shape)})
            compiled["request"] = core.compile_model(model, "CPU", settings).create_infer_request()
        compiled["request"].infer({"views": views})

    return run


def torch(path, threads):
    import onnx
    import torch
    from onnx2torch import convert

    torch.set_num_threads(threads)
    model = convert(onnx.load(path)).eval()

    def run(views):
        with torch.inference_mode():
            model(torch.from_numpy(views))

    return run


def main():
    path, views, threads, runtime = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    import numpy

    began = time.perf_counter()
    if runtime == "onnxruntime":
        run = onnxruntime(path, threads)
    elif runtime.startswith("openvino-"):
        run = openvino(path, threads, runtime.removeprefix("openvino-"))
    elif runtime == "torch":
        run = torch(path, threads)
    else:
        sys.exit(f"no runtime '{runtime}'")
    images = numpy.random.default_rng(1).uniform(-1, 1, (views, 3, 64, 64)).astype(numpy.float32)
    run(images)
    loaded = {
        "load_seconds": time.perf_counter() - began,
        "rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(loaded), flush=True)
    for line in sys.stdin:
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            run(images)
        took = {"wall_seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
        print(json.dumps(took), flush=True)


main()
