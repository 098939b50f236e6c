"""Checks an ONNX model with onnx.checker and runs it in onnxruntime.

usage: run_onnx.py MODEL VIEWS OUTPUT [NAME]

VIEWS is float32 [N, channels, height, width], as the model takes it, and OUTPUT what
the model calls NAME (default: probabilities), both float32, raw and little-endian.
"""

import sys

import numpy as np
import onnx
import onnxruntime

model_path, views_path, output_path, *name = sys.argv[1:]
onnx.checker.check_model(onnx.load(model_path), full_check=True)
session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
views = np.fromfile(views_path, dtype="<f4").reshape(-1, *session.get_inputs()[0].shape[1:])
(values,) = session.run(name or ["probabilities"], {"views": views})
values.astype("<f4").tofile(output_path)
