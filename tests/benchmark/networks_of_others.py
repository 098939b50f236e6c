#!/usr/bin/env python3
"""Writes the networks of "Networks of others" in docs/performance.md as ONNX files with random weights.

They have the layers of torchvision's and Ultralytics' networks, with batch normalisation folded as an export
does it. One view is `views`, float32 [N, 3, 224, 224].

usage: tests/benchmark/networks_of_others.py DIR
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh


class Net:
    """A graph as it grows. Each method adds nodes and returns the name of their output."""

    def __init__(self, seed=1):
        self.r = np.random.default_rng(seed)
        self.nodes = []
        self.init = []
        self.n = 0

    def const(self, a, dtype=np.float32):
        self.n += 1
        name = f"w{self.n}"
        self.init.append(nh.from_array(np.asarray(a).astype(dtype), name))
        return name

    def op(self, kind, ins, outs=1, **at):
        self.n += 1
        names = [f"v{self.n}_{i}" for i in range(outs)]
        self.nodes.append(h.make_node(kind, ins, names, f"n{self.n}", **at))
        return names[0] if outs == 1 else names

    def conv(self, x, ci, co, k=1, s=1, g=1, act=None, p=None, bias=True):
        p = k // 2 if p is None else p
        gain = {None: 0.8, "sigmoid": 1}.get(act, 1.3)
        w = self.const(self.r.normal(0, gain / (ci // g * k * k) ** 0.5, (co, ci // g, k, k)))
        ins = [x, w] + ([self.const(self.r.normal(0, 0.1, co))] if bias else [])
        y = self.op("Conv", ins, kernel_shape=[k, k], strides=[s, s], pads=[p] * 4, group=g, dilations=[1, 1])
        return self.act(y, act, co)

    def act(self, y, act, channels):
        if act == "prelu":
            return self.op("PRelu", [y, self.const(self.r.uniform(0, 0.5, (channels, 1, 1)))])
        if act == "relu":
            return self.op("Relu", [y])
        if act == "relu6":
            return self.op("Clip", [y, self.const(0.0), self.const(6.0)])
        if act == "silu":
            return self.op("Mul", [y, self.op("Sigmoid", [y])])
        if act == "sigmoid":
            return self.op("Sigmoid", [y])
        return y

    def add(self, a, b):
        return self.op("Add", [a, b])

    def bn(self, x, c, relu=True):
        y = self.op(
            "BatchNormalization",
            [
                x,
                self.const(self.r.uniform(0.5, 1.5, c)),
                self.const(self.r.normal(0, 0.1, c)),
                self.const(self.r.normal(0, 0.1, c)),
                self.const(self.r.uniform(0.5, 1.5, c)),
            ],
        )
        return self.op("Relu", [y]) if relu else y

    def maxpool(self, x, k, s, p=0, ceil=0):
        return self.op("MaxPool", [x], kernel_shape=[k, k], strides=[s, s], pads=[p] * 4, ceil_mode=ceil)

    def head(self, x, c, classes=1000, gap=True):
        if gap:
            x = self.op("GlobalAveragePool", [x])
        x = self.op("Flatten", [x], axis=1)
        return self.op(
            "Gemm", [x, self.const(self.r.normal(0, 0.01, (classes, c))), self.const(np.zeros(classes))], transB=1
        )

    def save(self, y, path, shape=None):
        g = h.make_graph(
            self.nodes,
            "g",
            [h.make_tensor_value_info("views", T.FLOAT, ["N", 3, 224, 224])],
            [h.make_tensor_value_info(y, T.FLOAT, shape)],
            self.init,
        )
        onnx.save(h.make_model(g, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)


def resnet(n, kind, act="relu", groups=1):
    """With groups, ResNeXt: windows of twice the width, each group with a part of the channels."""
    x = n.maxpool(n.conv("views", 3, 64, 7, 2, act=act), 3, 2, 1)
    c = 64
    for g, (w, k) in enumerate(zip([64, 128, 256, 512], [2, 2, 2, 2] if kind == 18 else [3, 4, 6, 3])):
        for u in range(k):
            s = 2 if u == 0 and g > 0 else 1
            o = w if kind == 18 else 4 * w
            if kind == 18:
                y = n.conv(n.conv(x, c, w, 3, s, act=act), w, w, 3)
            else:
                m = w if groups == 1 else 2 * w
                y = n.conv(n.conv(n.conv(x, c, m, act=act), m, m, 3, s, groups, act=act), m, o)
            sc = n.conv(x, c, o, 1, s) if s > 1 or c != o else x
            x = n.act(n.add(y, sc), act, o)
            c = o
    return n.head(x, c)


def mobilenetv2(n):
    x = n.conv("views", 3, 32, 3, 2, act="relu6")
    c = 32
    for t, o, k, s in [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]:
        for u in range(k):
            m = c * t
            y = n.conv(x, c, m, act="relu6") if t > 1 else x
            st = s if u == 0 else 1
            y = n.conv(n.conv(y, m, m, 3, st, m, act="relu6"), m, o)
            x = n.add(x, y) if st == 1 and c == o else y
            c = o
    return n.head(n.conv(x, c, 1280, act="relu6"), 1280)


def efficientnet(n):
    x = n.conv("views", 3, 32, 3, 2, act="silu")
    c = 32
    for t, k, s, o, r in [
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ]:
        for u in range(r):
            m = c * t
            y = n.conv(x, c, m, act="silu") if t > 1 else x
            st = s if u == 0 else 1
            y = n.conv(y, m, m, k, st, m, act="silu")
            q = max(1, c // 4)
            e = n.conv(n.conv(n.op("GlobalAveragePool", [y]), m, q, act="silu"), q, m, act="sigmoid")
            y = n.conv(n.op("Mul", [e, y]), m, o)
            x = n.add(y, x) if st == 1 and c == o else y
            c = o
    return n.head(n.conv(x, c, 1280, act="silu"), 1280)


def squeezenet(n):  # 1.1
    x = n.maxpool(n.conv("views", 3, 64, 3, 2, act="relu", p=0), 3, 2)
    c = 64

    def fire(x, c, s, e):
        y = n.conv(x, c, s, act="relu")
        return n.op("Concat", [n.conv(y, s, e, act="relu"), n.conv(y, s, e, 3, act="relu")], axis=1)

    for s, e in [(16, 64), (16, 64), (0, 0), (32, 128), (32, 128), (0, 0), (48, 192), (48, 192), (64, 256), (64, 256)]:
        if s == 0:
            x = n.maxpool(x, 3, 2, ceil=0)
        else:
            x = fire(x, c, s, e)
            c = 2 * e
    x = n.conv(x, 512, 1000, act="relu")
    return n.op("Flatten", [n.op("GlobalAveragePool", [x])], axis=1)


def densenet(n):
    x = n.maxpool(n.conv("views", 3, 64, 7, 2, act="relu"), 3, 2, 1)
    c = 64
    for b, k in enumerate([6, 12, 24, 16]):
        parts = [x]
        for _ in range(k):
            y = n.op("Concat", parts, axis=1) if len(parts) > 1 else parts[0]
            y = n.conv(n.conv(n.bn(y, c), c, 128, act="relu", bias=False), 128, 32, 3, bias=False)
            parts.append(y)
            c += 32
        x = n.bn(n.op("Concat", parts, axis=1), c, relu=True)
        if b < 3:
            x = n.op("AveragePool", [n.conv(x, c, c // 2, bias=False)], kernel_shape=[2, 2], strides=[2, 2])
            c //= 2
    return n.head(x, c)


def yolov8n(n):
    A = "silu"

    def c2f(x, ci, co, k, short):
        y = n.conv(x, ci, co, act=A)
        m = co // 2
        a, b = n.op("Split", [y, n.const([m, m], np.int64)], 2, axis=1)
        parts = [a, b]
        for _ in range(k):
            z = n.conv(n.conv(parts[-1], m, m, 3, act=A), m, m, 3, act=A)
            parts.append(n.add(parts[-1], z) if short else z)
        return n.conv(n.op("Concat", parts, axis=1), m * (2 + k), co, act=A)

    def up(x):
        return n.op(
            "Resize",
            [x, "", n.const([1.0, 1.0, 2.0, 2.0])],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    x = n.conv(n.conv("views", 3, 16, 3, 2, act=A), 16, 32, 3, 2, act=A)
    x = c2f(x, 32, 32, 1, True)
    p3 = c2f(n.conv(x, 32, 64, 3, 2, act=A), 64, 64, 2, True)
    p4 = c2f(n.conv(p3, 64, 128, 3, 2, act=A), 128, 128, 2, True)
    x = c2f(n.conv(p4, 128, 256, 3, 2, act=A), 256, 256, 1, True)
    y = n.conv(x, 256, 128, act=A)
    q = [y]
    for _ in range(3):
        q.append(n.maxpool(q[-1], 5, 1, 2))
    p5 = n.conv(n.op("Concat", q, axis=1), 512, 256, act=A)
    f4 = c2f(n.op("Concat", [up(p5), p4], axis=1), 384, 128, 1, False)
    f3 = c2f(n.op("Concat", [up(f4), p3], axis=1), 192, 64, 1, False)
    g4 = c2f(n.op("Concat", [n.conv(f3, 64, 64, 3, 2, act=A), f4], axis=1), 192, 128, 1, False)
    g5 = c2f(n.op("Concat", [n.conv(g4, 128, 128, 3, 2, act=A), p5], axis=1), 384, 256, 1, False)
    outs = []
    for x, c in ((f3, 64), (g4, 128), (g5, 256)):
        box = n.conv(n.conv(n.conv(x, c, 64, 3, act=A), 64, 64, 3, act=A), 64, 64)
        cls = n.conv(n.conv(n.conv(x, c, 80, 3, act=A), 80, 80, 3, act=A), 80, 80)
        z = n.op("Concat", [box, cls], axis=1)
        outs.append(n.op("Reshape", [z, n.const([0, 144, -1], np.int64)]))
    return n.op("Concat", outs, axis=2)


def convnext(n):  # tiny
    def ln(x, c):
        return n.op(
            "LayerNormalization",
            [x, n.const(n.r.uniform(0.5, 1.5, c)), n.const(n.r.normal(0, 0.1, c))],
            axis=-1,
            epsilon=1e-6,
        )

    def last(x):
        return n.op("Transpose", [x], perm=[0, 2, 3, 1])

    def first(x):
        return n.op("Transpose", [x], perm=[0, 3, 1, 2])

    def linear(x, ci, co):
        return n.add(
            n.op("MatMul", [x, n.const(n.r.normal(0, 1 / ci**0.5, (ci, co)))]), n.const(n.r.normal(0, 0.1, co))
        )

    def gelu(x):
        e = n.op("Erf", [n.op("Div", [x, n.const(2**0.5)])])
        return n.op("Mul", [n.op("Mul", [x, n.add(e, n.const(1.0))]), n.const(0.5)])

    d = [96, 192, 384, 768]
    x = first(ln(last(n.conv("views", 3, 96, 4, 4, p=0)), 96))
    for i, k in enumerate([3, 3, 9, 3]):
        c = d[i]
        for _ in range(k):
            y = ln(last(n.conv(x, c, c, 7, g=c)), c)
            y = linear(gelu(linear(y, c, 4 * c)), 4 * c, c)
            y = n.op("Mul", [first(y), n.const(n.r.uniform(0.1, 0.5, (c, 1, 1)))])
            x = n.add(y, x)
        if i < 3:
            x = n.conv(first(ln(last(x), c)), c, d[i + 1], 2, 2, p=0)
    x = n.op("GlobalAveragePool", [x])
    x = first(ln(last(x), 768))
    return n.head(x, 768, gap=False)


NETS = {
    "resnet18": lambda n: resnet(n, 18),
    "resnet50": lambda n: resnet(n, 50),
    "resnet18-prelu": lambda n: resnet(n, 18, "prelu"),
    "resnext50-32x4d": lambda n: resnet(n, 50, groups=32),
    "resnext50-2": lambda n: resnet(n, 50, groups=2),
    "resnext50-8": lambda n: resnet(n, 50, groups=8),
    "mobilenetv2": mobilenetv2,
    "efficientnet-b0": efficientnet,
    "squeezenet": squeezenet,
    "densenet121": densenet,
    "yolov8n": yolov8n,
    "convnext": convnext,
}
if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in NETS.items():
        net = Net()
        net.save(make(net), folder / f"{name}.onnx")
        print(folder / f"{name}.onnx")
