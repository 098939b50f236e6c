"""Checks an ONNX model with onnx.checker and runs it in onnxruntime.

usage: run_onnx.py MODEL VIEWS OUTPUT

VIEWS is float32 [N, channels, height, width], as the model takes it, and OUTPUT float32 [N, 5], both raw little-endian.
"""

import sys

import numpy as np
import onnx
import onnxruntime

model_path, views_path, output_path = sys.argv[1:]
onnx.checker.check_model(onnx.load(model_path), full_check=True)
session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
views = np.fromfile(views_path, dtype="<f4").reshape(-1, *session.get_inputs()[0].shape[1:])
(probabilities,) = session.run(["probabilities"], {"views": views})
probabilities.astype("<f4").tofile(output_path)
