"""Cost of evaluations: operations of one, and the rate of a device in matrix products.

Their quotient is the floor under every speed measured: evaluations per second if a device did
nothing but multiply matrices.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from alphazero.network.device import torch_threads
from alphazero.network.inference import PackedConvolution, has_packed_operators
from alphazero.network.network import Network, convolution_form

# Side of the square matrices multiplied: on a processor, what its caches hold.
SIDE, DEVICE_SIDE = 1024, 8192


@torch.no_grad()
def operations(network: Network) -> int:
    """Count multiplications and additions of convolutions and linear layers in one evaluation."""
    counted = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal counted
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        points = output[0].numel() // layer.weight.shape[0]
        counted += 2 * layer.weight.numel() * points

    # Auxiliary heads, which `decide` does without, count nothing.
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    was_training = network.training
    try:
        device = next(network.parameters()).device
        planes = torch.ones((1, *network.planes), device=device)
        network.eval().decide(planes, None, torch.ones((1, network.globals), device=device))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return counted


@torch.inference_mode()
def matrix_rate(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Measure operations per second in products of large square matrices, on one thread of a CPU:
    the median of several, of the fastest library that torch calls."""
    side = SIDE if device.type == "cpu" else DEVICE_SIDE
    one, other = (torch.randn((side, side), device=device).to(dtype) for _ in range(2))
    ways: list[Callable[[], Tensor]] = [lambda: torch.mm(one, other)]
    if device.type == "cpu" and has_packed_operators(dtype):
        # MKL goes without AVX-512 on AMD's processors; oneDNN multiplies as a convolution of 1x1.
        layer = nn.Conv2d(side, side, 1)
        form = convolution_form(layer)
        product = PackedConvolution(form, dtype, (1, side))
        product.take(form)
        points = one.view(1, 1, side, side).permute(0, 3, 1, 2)
        ways.append(lambda: product(points))
    with torch_threads(1 if device.type == "cpu" else torch.get_num_threads()):
        return max(2 * side**3 / seconds_each(way, device, seconds / len(ways)) for way in ways)


def numpy_rate(seconds: float = 1.0) -> float:
    """Measure operations per second of a core in numpy's products of float32 matrices (sgemm), by
    which CPU speeds of different machines are compared. In a process of its own: the libraries
    under numpy choose their number of threads when they are loaded."""
    program = f"""
import statistics, time
import numpy as np
one = np.random.default_rng(0).standard_normal(({SIDE}, {SIDE}), np.float32)
one @ one
found = []
while not found or sum(found) < {seconds}:
    began = time.process_time()
    one @ one
    found.append(time.process_time() - began)
print(statistics.median(found))
"""
    alone = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "MKL", "OMP", "BLIS")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **alone},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return 2 * SIDE**3 / float(done.stdout)


def seconds_each(work: Callable[[], Any], device: torch.device, seconds: float) -> float:
    """Measure the median of the seconds that `work` takes: CPU time on a CPU, else wall time."""
    on_cpu = device.type == "cpu"
    clock = time.process_time if on_cpu else time.perf_counter

    def once() -> float:
        began = clock()
        work()
        if not on_cpu:
            torch.accelerator.synchronize(device)
        return clock() - began

    once()
    found = [once()]
    while sum(found) < seconds:
        found.append(once())
    return statistics.median(found)
