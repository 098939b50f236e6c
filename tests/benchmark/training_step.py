"""Trains the paper's 26-layer network in Python's torch on noise, and prints images a second.

The network, the optimiser and the running average of the weights are written as a PyTorch user would
write them; precision is torch's own autocast. It stands for "what the same network does in Python".
"""

import argparse
import time

import torch
from torch import nn
from torch.nn import functional as F


class Unit(nn.Module):
    """A full pre-activation bottleneck unit."""

    def __init__(self, channels, inner, outer, stride):
        super().__init__()
        self.stride = stride
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (channels, inner, inner))
        self.reduce = nn.Conv2d(channels, inner, 1)
        self.spatial = nn.Conv2d(inner, inner, 3, stride, 1)
        self.expand = nn.Conv2d(inner, outer, 1)
        self.projection = nn.Conv2d(channels, outer, 1, stride) if channels != outer else None

    def forward(self, x):
        activated = F.relu(self.norms[0](x))
        if self.projection is not None:
            shortcut = self.projection(activated)
        else:
            shortcut = F.max_pool2d(x, 1, self.stride) if self.stride > 1 else x
        y = self.reduce(activated)
        y = self.spatial(F.relu(self.norms[1](y)))
        return shortcut + self.expand(F.relu(self.norms[2](y)))


def zhu2019(k, units=2):
    layers, channels = [nn.ZeroPad2d((2, 3, 2, 3)), nn.Conv2d(3, 64, 6), nn.MaxPool2d(2)], 64
    for inner, outer, halves in [(64, 256, True), (128, 512, True), (256, 1024, True), (512, 2048, False)]:
        inner, outer = round(inner * k), round(outer * k)
        for unit in range(units):
            stride = 2 if halves and unit + 1 == units else 1
            layers.append(Unit(channels, inner, outer, stride))
            channels = outer
    return nn.Sequential(
        *layers, nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5)
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--k", type=float, default=0.25)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="compile the network first")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    device = torch.device(arguments.device)
    torch.backends.cudnn.benchmark = True
    network = zhu2019(arguments.k).to(device, memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999)
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    views = torch.randn(arguments.batch, 3, 64, 64).to(device, memory_format=torch.channels_last)
    classes = torch.randint(0, 5, (arguments.batch,)).to(device)
    # The average follows the plain module, whose parameters the compiled one shares.
    computed = torch.compile(network) if arguments.compile else network

    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize()

    # On a GPU, and where the network is compiled, the first steps are others' work.
    warm_up = 10 if arguments.compile or device.type == "cuda" else 0
    for step in range(-warm_up, arguments.steps):
        if step == 0:
            wait()
            started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=arguments.precision == "bf16"):
            logits = computed(views)
        loss = F.cross_entropy(logits.float(), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(network)
    wait()
    seconds = time.perf_counter() - started
    print(arguments.steps * arguments.batch / seconds)


main()
