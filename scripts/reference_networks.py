"""Holds the engine against onnxruntime on random networks that are not ours.

usage: .venv-reference/bin/python scripts/reference_networks.py [--count 300] [--seed 1] [--keep FOLDER]

Each network is a random graph of what image networks are made of: convolutions of all kinds (strides, borders,
dilations, groups), normalisation, activations, pooling, sums, arithmetic with constants on either side, concatenation,
slices of channels, squeeze-and-excitation, dense blocks, and layer normalisation and linear layers with the channels as
the last axis. tract alone and every kernel of this processor have to answer as onnxruntime does. A network that is
refused is counted; one that is answered otherwise is a failure, whose files are kept.
"""

import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HOME = pathlib.Path(__file__).resolve().parent.parent

# Largest difference, over the largest value of the answer.
TOLERANCE = {"f32": 1e-4, "bf16": 0.03}
# Some networks magnify rounding, by a quotient of which the divisor is nearly zero. Where rounding alone moves
# onnxruntime's own answer by more than this, the kernels that round are not compared.
SENSITIVE = 0.02
VIEWS = 2


class Network:
    """A random graph. Each value in it is an image with some channels, rows and columns."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.nodes = []
        self.weights = []
        self.values = []
        side = int(self.random.integers(8, 24))
        self.shape = (VIEWS, int(self.random.integers(1, 6)), side, int(self.random.integers(8, 24)))
        self.values.append(("views", *self.shape[1:]))
        steps = [
            self.convolution, self.convolution, self.convolution, self.depthwise, self.grouped, self.normalisation,
            self.activation, self.activation, self.pooling, self.sum, self.concatenation, self.arithmetic,
            self.arithmetic, self.slice, self.excitation, self.dense_block, self.layer_norm, self.linear_layers,
        ]  # fmt: skip
        for _ in range(int(self.random.integers(4, 14))):
            steps[self.random.integers(len(steps))]()
        self.finish()

    def choose(self, *options):
        return options[self.random.integers(len(options))]

    def constant(self, shape: tuple[int, ...], scale: float = 1.0, offset: float = 0.0) -> str:
        name = f"constant{len(self.weights)}"
        values = self.random.normal(offset, scale, shape).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def whole(self, value: int) -> str:
        name = f"constant{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array([value], np.int64), name))
        return name

    def number(self, value: float) -> str:
        name = f"constant{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def node(self, kind: str, inputs: list[str], **attributes) -> str:
        """Adds what is no image, channels first."""
        name = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def add(self, kind: str, inputs: list[str], shape: tuple[int, int, int], **attributes) -> str:
        name = self.node(kind, inputs, **attributes)
        self.values.append((name, *shape))
        return name

    def some(self):
        """A value, rather one of the last ones."""
        place = int(len(self.values) * np.sqrt(self.random.random()))
        return self.values[min(place, len(self.values) - 1)]

    def window(self, rows: int, columns: int, most: int):
        """A window's size, stride, dilation and border, and the size of what it gives."""
        dilation = self.choose(1, 1, 1, 2)
        stride = self.choose(1, 1, 2)
        sides = [self.choose(1, 2, 3, 3, 5) for _ in range(2)]
        sides = [side if (side - 1) * dilation < min(rows, columns, most) else 1 for side in sides]
        before = [int(self.random.integers(0, side)) for side in sides]
        after = [int(self.random.integers(0, side)) for side in sides]
        spans = [(side - 1) * dilation + 1 for side in sides]
        padded = [rows + before[0] + after[0], columns + before[1] + after[1]]
        if any(length < span for length, span in zip(padded, spans)):
            return None
        sizes = [(length - span) // stride + 1 for length, span in zip(padded, spans)]
        attributes = {"kernel_shape": sides, "strides": [stride] * 2, "pads": before + after}
        return attributes, dilation, sizes

    def convolution(self, groups: int = 1, value=None) -> None:
        name, channels, rows, columns = value or self.some()
        outputs = groups * int(self.random.integers(1, max(2, 40 // groups))) if groups else channels
        groups = groups or channels
        window = self.window(rows, columns, 20)
        if window is None:
            return
        attributes, dilation, sizes = window
        fan_in = channels // groups * int(np.prod(attributes["kernel_shape"]))
        weights = self.constant((outputs, channels // groups, *attributes["kernel_shape"]), fan_in**-0.5)
        # Now and then far from zero, so that something can be divided by it: a quotient by nearly nothing
        # is all rounding.
        far = self.choose(True, False, False)
        bias = [self.constant((outputs,), 0.1, 8.0)] if far else self.choose([], [self.constant((outputs,))])
        convolved = self.add(
            "Conv", [name, weights, *bias], (outputs, *sizes), dilations=[dilation] * 2, group=groups, **attributes
        )
        if bias and self.random.random() < 0.3:
            self.arithmetic((convolved, outputs, *sizes), far)

    def depthwise(self) -> None:
        self.convolution(groups=0)

    def grouped(self) -> None:
        value = self.some()
        groups = [groups for groups in (2, 3, 4, 8) if value[1] % groups == 0 and groups < value[1]]
        if groups:
            self.convolution(self.choose(*groups), value)

    def normalisation(self) -> None:
        name, channels, *sizes = self.some()
        parameters = [self.constant((channels,), 0.3, 1.0), self.constant((channels,)), self.constant((channels,))]
        variance = f"constant{len(self.weights)}"
        values = self.random.uniform(0.5, 2.0, channels).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, variance))
        self.add("BatchNormalization", [name, *parameters, variance], (channels, *sizes), epsilon=1e-3)

    def activation(self) -> None:
        name, *shape = self.some()
        kinds = ["Relu", "Relu", "Relu", "LeakyRelu", "PRelu", "Sigmoid", "SiLU", "Tanh", "HardSwish", "Clip", "GELU"]
        kind = self.choose(*kinds)
        if kind == "GELU":
            self.values.append((self.gelu(name), *shape))
            return
        inputs = [name]
        if kind == "SiLU":
            inputs.append(self.add("Sigmoid", [name], tuple(shape)))
            kind = "Mul"
        if kind == "PRelu":
            inputs.append(self.constant(self.choose((1,), (shape[0], 1, 1)), 0.3, 0.2))
        if kind == "Clip":
            inputs += [self.constant((), 0.0, 0.0), self.constant((), 0.0, 3.0)]
        self.add(kind, inputs, tuple(shape))

    def pooling(self) -> None:
        name, channels, rows, columns = self.some()
        window = self.window(rows, columns, 6)
        if window is None:
            return
        attributes, dilation, sizes = window
        if dilation > 1:
            return
        if self.choose(True, False):
            self.add("MaxPool", [name], (channels, *sizes), **attributes)
        else:
            self.add("AveragePool", [name], (channels, *sizes), count_include_pad=self.choose(0, 1), **attributes)

    def sum(self) -> None:
        name, *shape = self.some()
        others = [value for value, *other in self.values if other == shape and value != name]
        if others:
            self.add(self.choose("Add", "Add", "Add", "Sub", "Mul", "Max"), [name, self.choose(*others)], tuple(shape))

    def concatenation(self) -> None:
        name, channels, *sizes = self.some()
        others = [value for value in self.values if list(value[2:]) == sizes and value[0] != name]
        if others:
            other, more, *_ = self.choose(*others)
            self.add("Concat", [name, other], (channels + more, *sizes), axis=1)

    def slice(self) -> None:
        name, channels, *sizes = self.some()
        if channels > 1:
            first = int(self.random.integers(0, channels))
            last = int(self.random.integers(first + 1, channels + 1))
            bounds = [self.whole(first), self.whole(last), self.whole(1)]
            self.add("Slice", [name, *bounds], (last - first, *sizes))

    def excitation(self) -> None:
        """Squeeze-and-excitation: each channel times a number that the means of all of them make."""
        name, channels, *sizes = self.some()
        squeezed = self.add("GlobalAveragePool", [name], (channels, 1, 1))
        hidden = max(1, channels // 4)
        for outputs, inputs, kind in ((hidden, channels, "Relu"), (channels, hidden, "Sigmoid")):
            weights = [self.constant((outputs, inputs, 1, 1), inputs**-0.5), self.constant((outputs,))]
            squeezed = self.add("Conv", [squeezed, *weights], (outputs, 1, 1))
            squeezed = self.add(kind, [squeezed], (outputs, 1, 1))
        self.add("Mul", [name, squeezed], (channels, *sizes))

    def gelu(self, name: str) -> str:
        """A GELU in the two orders in which programs write it."""
        scaled = self.choose(("Div", 2**0.5), ("Mul", 0.5**0.5))
        twice = self.node("Add", [self.node("Erf", [self.pair(name, *scaled)]), self.number(1.0)])
        if self.choose(True, False):
            return self.node("Mul", self.either(name, self.pair(twice, "Mul", 0.5)))
        return self.pair(self.node("Mul", self.either(name, twice)), "Mul", 0.5)

    def pair(self, name: str, kind: str, number: float) -> str:
        number = self.number(number)
        return self.node(kind, [name, number] if kind == "Div" else self.either(name, number))

    def either(self, left: str, right: str) -> list[str]:
        return [left, right] if self.choose(True, False) else [right, left]

    def dense_block(self) -> None:
        """Layers, each of the normalised outputs of all before it."""
        name, channels, *sizes = self.some()
        # Now and then whole vectors.
        growth = self.choose(3, 5, 8, 16)
        parts, total = [name], channels
        for _ in range(int(self.random.integers(2, 5))):
            joined = self.node("Concat", parts, axis=1) if len(parts) > 1 else name
            if self.choose(*[False] * 5, True):
                self.values.append((joined, total, *sizes))
            scaled = self.node("Mul", [joined, self.constant((total, 1, 1), 0.3, 1.0)])
            bent = self.node("Relu", [self.node("Add", [scaled, self.constant((total, 1, 1))])])
            if total < 60 and self.choose(*[False] * 5, True):
                parts.append(bent)
                total *= 2
                continue
            weights = self.constant((growth, total, 3, 3), (9 * total) ** -0.5)
            parts.append(self.node("Conv", [bent, weights], pads=[1] * 4))
            total += growth
        self.add("Concat", parts, (total, *sizes), axis=1)

    def normalised(self, name: str, channels: int) -> str:
        """Layer normalisation of the last axis, as one node or in the parts that older programs write."""
        parameters = [self.constant((channels,), 0.3, 1.0), self.constant((channels,))]
        # A variance of nearly nothing would magnify rounding.
        epsilon = self.choose(0.01, 0.1)
        if self.choose(True, False):
            return self.node("LayerNormalization", [name, *parameters], axis=-1, epsilon=epsilon)
        mean = self.node("ReduceMean", [name], axes=[-1])
        difference = self.node("Sub", [name, mean])
        variance = self.node("ReduceMean", [self.node("Pow", [difference, self.number(2.0)])], axes=[-1])
        deviation = self.node("Sqrt", [self.node("Add", [variance, self.number(epsilon)])])
        quotient = self.node("Div", [difference, deviation])
        return self.node("Add", [self.node("Mul", [quotient, parameters[0]]), parameters[1]])

    def last(self, name: str) -> str:
        return self.node("Transpose", [name], perm=[0, 2, 3, 1])

    def first(self, name: str) -> str:
        return self.node("Transpose", [name], perm=[0, 3, 1, 2])

    def layer_norm(self) -> None:
        name, channels, *sizes = self.some()
        if channels > 1:
            normalised = self.normalised(self.last(name), channels)
            self.values.append((self.first(normalised), channels, *sizes))

    def linear_layers(self) -> None:
        """Linear layers, GELU and more between two transpositions."""
        name, channels, *sizes = self.some()
        value = self.last(name)
        inner = channels
        for _ in range(int(self.random.integers(1, 5))):
            kind = self.choose("linear", "linear", "norm", "gelu", "gelu", "Tanh", "rows", "seen")
            if kind == "linear":
                outputs = int(self.random.integers(2, 40))
                value = self.node("MatMul", [value, self.constant((inner, outputs), inner**-0.5)])
                value = self.node("Add", self.either(value, self.constant((outputs,))))
                inner = outputs
            elif kind == "norm" and inner > 1:
                value = self.normalised(value, inner)
            elif kind == "gelu":
                value = self.gelu(value)
            elif kind == "Tanh":
                value = self.node("Tanh", [value])
            elif kind == "rows":
                # One number for each column, where channels are usual.
                value = self.node("Add", [value, self.constant((sizes[1], 1))])
            elif kind == "seen":
                self.values.append((self.first(value), inner, *sizes))
        value = self.first(value)
        self.values.append((value, inner, *sizes))
        if inner == channels:
            scaled = self.node("Mul", [value, self.constant((channels, 1, 1), 0.3, 1.0)])
            self.add("Add", self.either(scaled, name), (channels, *sizes))

    def arithmetic(self, value=None, far=False) -> None:
        name, channels, *sizes = value or self.some()
        shape = self.choose((), (1,), (channels, 1, 1), (1, channels, 1, 1))
        kind = self.choose("Add", "Sub", "Mul", "Min", "Max", *["Div"] * 3 * far)
        constant = self.constant(shape, 0.2, self.choose(-1.5, 1.5))
        inputs = [name, constant] if self.choose(True, False) else [constant, name]
        self.add(kind, inputs, (channels, *sizes))

    def finish(self) -> None:
        """The means of all channels that nothing else needs, and a layer from these to five numbers."""
        used = {name for node in self.nodes for name in node.input}
        means, total = [], 0
        for name, channels, *_ in [value for value in self.values if value[0] not in used]:
            pooled = self.add("GlobalAveragePool", [name], (channels, 1, 1))
            means.append(self.add("Flatten", [pooled], (channels, 1, 1)))
            total += channels
        joined = self.add("Concat", means, (total, 1, 1), axis=1)
        self.add("Gemm", [joined, self.constant((total, 5), total**-0.5)], (5, 1, 1))

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("views", TensorProto.FLOAT, ["N", *self.shape[1:]])],
            [helper.make_tensor_value_info(self.nodes[-1].output[0], TensorProto.FLOAT, ["N", 5])],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def expected(model: onnx.ModelProto, views: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # As the graph is written: some of onnxruntime's own rewriting is less exact.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, {"views": views})[0].ravel()


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with the inputs and weights of its convolutions and linear layers rounded to bf16."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    nodes = []
    for node in model.graph.node:
        if node.op_type in ("Conv", "MatMul"):
            for place in range(2):
                short, long = f"{node.name}.{place}.bf16", f"{node.name}.{place}.f32"
                nodes.append(helper.make_node("Cast", [node.input[place]], [short], to=TensorProto.BFLOAT16))
                nodes.append(helper.make_node("Cast", [short], [long], to=TensorProto.FLOAT))
                node.input[place] = long
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def difference(found: np.ndarray, answer: np.ndarray) -> float:
    if found.shape != answer.shape:
        return np.inf
    return float(np.abs(found - answer).max()) / max(1.0, float(np.abs(answer).max()))


def compare(folder: pathlib.Path, first: int, count: int) -> bool:
    answers, sensitive, kinds = {}, set(), collections.Counter()
    for seed in range(first, first + count):
        network = Network(seed)
        model = network.model()
        kinds.update(node.op_type for node in network.nodes)
        views = network.random.uniform(-1, 1, network.shape).astype(np.float32)
        name = f"{seed:06}"
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
        (folder / f"{name}.input").write_bytes(np.array(network.shape, "<u4").tobytes() + views.tobytes())
        answers[name] = expected(model, views)
        if difference(expected(rounded(model), views), answers[name]) > SENSITIVE:
            sensitive.add(name)
    # Beside the daemon, so that tract is not built again with other features.
    build = ["cargo", "build", "--quiet", "--release", "--locked", "-p", "galmorph", "-p", "galmorph-engine"]
    built = [*build, "--example", "answers", "--message-format", "json-render-diagnostics"]
    messages = subprocess.run(built, cwd=HOME, check=True, stdout=subprocess.PIPE, text=True).stdout
    programs = [json.loads(line).get("executable") for line in messages.splitlines()]
    command = [next(program for program in programs if program), folder]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    refused = ran.stdout.splitlines()
    for line in refused:
        print(f"refused {line[:160]}")
    worst: dict[str, float] = collections.defaultdict(float)
    good = True
    for name, answer in answers.items():
        for file in sorted(folder.glob(f"{name}.*.output")):
            kernel = file.name.split(".")[1]
            dtype = "bf16" if "bf16" in kernel else "f32"
            if name in sensitive and dtype == "bf16":
                continue
            error = difference(np.frombuffer(file.read_bytes(), "<f4"), answer)
            tolerance = SENSITIVE if name in sensitive else TOLERANCE[dtype]
            if not error <= tolerance:
                print(f"FAIL network {name}, {kernel}: {error:.1e} from onnxruntime")
                good = False
            worst[kernel] = max(worst[kernel], error)
    differences = ", ".join(f"{kernel} {error:.1e}" for kernel, error in sorted(worst.items()))
    print(f"{count} random networks of {sum(kinds.values())} nodes ({len(kinds)} kinds), {len(refused)} refused")
    print(f"{len(sensitive)} magnify rounding and were compared in f32 only")
    print(f"largest differences from onnxruntime: {differences}")
    # A refusal is no wrong answer, but these are all plain networks.
    return good and len(refused) == 0


def main() -> bool:
    parser = argparse.ArgumentParser(description="compare the engine with onnxruntime on random networks")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, help="a folder in which the networks stay")
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        good = compare(folder, settings.seed, settings.count)
        if settings.keep:
            shutil.copytree(folder, settings.keep, dirs_exist_ok=True)
    return good


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
