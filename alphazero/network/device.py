"""Devices, precision and torch's threads."""

import contextlib
from collections.abc import Iterator

import torch

from alphazero.errors import UserError
from alphazero.network.inference import has_packed_operators, is_dense
from alphazero.network.network import Network


def choose_device(device: str) -> torch.device:
    """Return the device called cpu, cuda, cuda:0, mps, or auto for the best. Raises UserError."""
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.append("mps")
    if torch.cuda.is_available():
        available += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if device == "auto":
        return torch.device(
            "cuda" if "cuda" in available else "mps" if "mps" in available else "cpu"
        )
    if device not in available:
        raise UserError(
            f'device "{device}" is not available here: choose auto or {", ".join(available)}'
        )
    return torch.device(device)


def choose_precision(precision: str, device: torch.device, network: Network) -> torch.dtype:
    """Return the dtype of the trunk; auto means the faster on this device. Raises UserError."""
    if precision == "auto":
        on_cpu = device.type == "cpu" and multiplies_bfloat16() and not is_dense(network)
        return torch.bfloat16 if on_cpu or device.type == "cuda" else torch.float32
    if precision not in ("float32", "bfloat16"):
        raise UserError(f'precision "{precision}": choose auto, float32 or bfloat16')
    return getattr(torch, precision)


def multiplies_bfloat16() -> bool:
    """Return True if the CPU is faster in bfloat16: with matrix instructions (AMX), and on AMD also
    with dot products (from Zen 4 on). Intel's dot products alone are slower than float32, and
    emulation is 3 times slower."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    on_amd = str(capabilities.get("cpu_name", "")).startswith("AMD")
    fast = capabilities.get("amx_bf16") or (on_amd and capabilities.get("avx512_bf16"))
    return bool(fast) and has_packed_operators(torch.bfloat16)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Set the number of torch's threads inside the context, and restore it afterwards."""
    before = torch.get_num_threads()
    if before == count:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
