"""Runs our ONNX files in PyTorch: the operators that our exported networks have, each as torch has it."""

import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional as F


class Network(torch.nn.Module):
    """An ONNX graph, node by node."""

    def __init__(self, path):
        super().__init__()
        graph = onnx.load(path).graph
        self.input, self.output = graph.input[0].name, graph.output[0].name
        self.constants = {}
        for tensor in graph.initializer:
            self.constants[tensor.name] = torch.from_numpy(numpy_helper.to_array(tensor).copy())
        self.steps = []
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            operator = globals().get(node.op_type)
            if operator is None:
                raise NotImplementedError(f"the operator {node.op_type}")
            if all(name in self.constants for name in node.input):
                # Weights that are stored in 8 bits are expanded once.
                values = [self.constants[name] for name in node.input]
                self.constants[node.output[0]] = operator(*values, **attributes)
            else:
                self.steps.append((operator, list(node.input), node.output[0], attributes))

    def forward(self, views):
        values = self.constants | {self.input: views}
        for operator, inputs, output, attributes in self.steps:
            values[output] = operator(*(values[name] for name in inputs), **attributes)
        return values[self.output]


def padded(x, pads, value=0.0):
    """ONNX pads at the begin and at the end; torch the same at both."""
    top, left, bottom, right = pads
    if (top, left) == (bottom, right):
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


def Conv(x, weight, bias=None, *, strides=(1, 1), pads=(0, 0, 0, 0), group=1, kernel_shape=None):
    x, padding = padded(x, pads)
    return F.conv2d(x, weight, bias, tuple(strides), padding, groups=group)


def MaxPool(x, *, kernel_shape, strides=(1, 1), pads=(0, 0, 0, 0)):
    x, padding = padded(x, pads, float("-inf"))
    return F.max_pool2d(x, tuple(kernel_shape), tuple(strides), padding)


def BatchNormalization(x, scale, bias, mean, variance, *, epsilon=1e-5):
    return F.batch_norm(x, mean, variance, scale, bias, eps=epsilon)


def DequantizeLinear(x, scale, zero_point=None, *, axis=1):
    shape = [1] * x.dim()
    shape[axis] = -1
    x = x.float() if zero_point is None else x.float() - zero_point.float().view(shape)
    return x * scale.view(shape)


def Gemm(x, weight, bias, *, transB=0):
    return F.linear(x, weight if transB else weight.t(), bias)


def GlobalAveragePool(x):
    return x.mean((2, 3), keepdim=True)


def Flatten(x, *, axis=1):
    return x.flatten(axis)


def Softmax(x, *, axis=-1):
    return F.softmax(x, axis)


def Relu(x):
    return F.relu(x)


def Add(a, b):
    return a + b
