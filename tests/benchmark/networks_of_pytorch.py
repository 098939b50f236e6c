#!/usr/bin/env python3
"""Writes networks of timm and torchvision as PyTorch exports them, with random weights, to a folder, each with an input.

The first ConvNeXt is the one that Zoobot has. `--check` runs them by tract and each kernel (`--example answers`), and
compares the answers with those of onnxruntime.

Needs torch, torchvision, timm, onnx, onnxscript and onnxruntime from PyPI.

usage: tests/benchmark/networks_of_pytorch.py DIR [--check]
"""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import timm
import torch
import torchvision

HOME = Path(__file__).resolve().parent.parent.parent
# A network, and the versions of ONNX that the old exporter (TorchScript) and the new one write.
NETWORKS = [
    ("timm", "convnext_nano", {"old": [13, 17], "new": [18, 20]}),
    ("timm", "convnext_tiny", {"old": [17], "new": [18]}),
    ("timm", "convnextv2_nano", {"new": [18]}),
    ("torchvision", "convnext_tiny", {"old": [17], "new": [18]}),
    ("timm", "densenet121", {"new": [18]}),
    ("timm", "efficientnet_b0", {"new": [18]}),
    ("timm", "mobilenetv3_large_100", {"new": [18]}),
    ("timm", "regnety_016", {"new": [18]}),
    ("timm", "resnet50", {"new": [18]}),
]
# Largest difference, over the standard deviation of the answer.
TOLERANCE = {"f32": 1e-4, "bf16": 0.1}


def network(library, name):
    make = timm.create_model if library == "timm" else getattr(torchvision.models, name)
    made = make(name, num_classes=10) if library == "timm" else make(num_classes=10)
    for label, parameter in made.named_parameters():
        # They are nearly zero before training, which would hide the blocks.
        if "gamma" in label or "layer_scale" in label:
            torch.nn.init.uniform_(parameter, 0.1, 0.5)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
    return made.eval()


def export(made, path, exporter, version):
    names = {"input_names": ["views"], "output_names": ["scores"], "opset_version": version}
    # The new exporter takes a batch of one for a constant.
    views = torch.randn(2, 3, 224, 224)
    if exporter == "old":
        torch.onnx.export(made, views, path, dynamo=False, dynamic_axes={"views": {0: "N"}}, **names)
    else:
        batch = ({0: torch.export.Dim("N")},)
        torch.onnx.export(made, (views,), path, dynamo=True, dynamic_shapes=batch, external_data=False, **names)


def check(folder):
    command = ["cargo", "run", "--quiet", "--release", "-p", "galmorph-engine", "--example", "answers", "--", folder]
    subprocess.run(command, cwd=HOME, check=True)
    is_good = True
    for path in sorted(folder.glob("*.onnx")):
        numbers = path.with_suffix(".input").read_bytes()
        views = np.frombuffer(numbers[16:], "<f4").reshape(np.frombuffer(numbers[:16], "<u4"))
        expected = onnxruntime.InferenceSession(path).run(None, {"views": views})[0]
        for output in sorted(folder.glob(f"{path.stem}.*.output")):
            found = np.fromfile(output, "<f4").reshape(expected.shape)
            error = np.abs(found - expected).max() / expected.std()
            is_good &= error < TOLERANCE["bf16" if "bf16" in output.name else "f32"]
            print(f"{output.stem}: {error:.1e}")
    return is_good


def main():
    if not sys.argv[1:] or sys.argv[2:] not in ([], ["--check"]):
        sys.exit(__doc__)
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    views = np.random.default_rng(1).normal(0, 1, (1, 3, 224, 224)).astype("<f4")
    for library, name, versions in NETWORKS:
        made = network(library, name)
        for exporter, version in [(one, version) for one, all in versions.items() for version in all]:
            path = folder / f"{library}-{name}-{exporter}-{version}.onnx"
            export(made, path, exporter, version)
            path.with_suffix(".input").write_bytes(np.array(views.shape, "<u4").tobytes() + views.tobytes())
            print(path, flush=True)
    if sys.argv[2:] and not check(folder):
        sys.exit("an answer differs from onnxruntime's")


if __name__ == "__main__":
    main()
