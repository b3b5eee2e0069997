"""BN, a shortcut and ReLU as one function, computed on a CPU by loops in C.

PyTorch reads and writes the activations eight times for BN and ReLU with their gradients, and in
bfloat16 it is bound by conversions; the loops take half the time.  They are compiled when a process
first needs them, in a second or two.  (`torch.compile` takes half a minute for ResNet-20, whose
training it makes less than 10 % faster, and that of VGG slower.)

The numbers agree with PyTorch's within rounding: sums are in float64, and in bfloat16 each result
is rounded once.
"""

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from bnproof.empirical.networks.fused_source import SOURCE
from bnproof.theory.common.errors import UserError

COMPILERS: Final = ("cc", "gcc", "clang")
FLAGS: Final = ("-O3", "-std=gnu11", "-shared", "-fPIC")
NATIVE: Final = ("-march=native",), ()  # not every compiler knows it for every processor
WIDE, PART = 64, 16  # those of the C code
KINDS: Final = (torch.float32, torch.bfloat16)

_allowed: ContextVar[bool] = ContextVar("fused", default=False)


@cache
def library() -> ctypes.CDLL:
    """Compile and load the loops.

    Raises
    ------
    UserError
        If there is no C compiler, or it cannot compile them.
    """
    compiler = _compiler()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "fused.c"), Path(folder, "fused.so")
        source.write_text(SOURCE, encoding="ascii")
        for native in NATIVE:
            command = [*compiler, *FLAGS, *native, "-o", str(target), str(source), "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            if done.returncode == 0:
                break
        else:
            words = [*done.stderr.splitlines(), "no message"][0]
            raise UserError(
                f"mode 'fast': {shlex.join(compiler)} cannot compile its loops ({words}); set CC "
                "to GCC or Clang, or choose 'exact'"
            )
        loaded = ctypes.CDLL(str(target))
    pointer, number, real = ctypes.c_void_p, ctypes.c_long, ctypes.c_double
    shape = [number, number, number, ctypes.c_int, ctypes.c_int]
    loaded.fused_forward.argtypes = [*[pointer] * 5, real, pointer, *shape]
    loaded.fused_backward.argtypes = [*[pointer] * 5, real, *[pointer] * 3, *shape]
    loaded.fused_forward.restype = loaded.fused_backward.restype = None
    return loaded


def _compiler() -> list[str]:
    """The compiler that CC names, with its options, or the first of `COMPILERS`."""
    chosen = shlex.split(os.environ.get("CC", ""))
    found = chosen if chosen else [name for name in COMPILERS if shutil.which(name)][:1]
    if not found or not shutil.which(found[0]):
        problem = f"CC names {found[0]}, which is not there" if found else "there is none"
        raise UserError(
            f"mode 'fast': needs a C compiler on a CPU, and {problem}; install GCC or Clang, or "
            "choose 'exact'"
        )
    return found


@contextmanager
def fused() -> Iterator[None]:
    """Let `activated` use the loops in the forward passes inside."""
    library()
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


def activated(
    norm: nn.Module,
    x: Tensor,
    shortcut: Callable[[], Tensor] | None = None,
    *,
    pool: bool = False,
) -> Tensor:
    """``relu(norm(x) + shortcut())``; with `pool`, its maximum over squares of 2 x 2 pixels.

    Inside `fused`, the loops compute it for a BN in training mode that nothing observes, if their
    blocks fit the number of channels.
    """
    if _allowed.get() and _fits(norm, x, pool) and not (pool and shortcut is not None):
        assert isinstance(norm, nn.BatchNorm2d)
        return _batch_norm(norm, x, None if shortcut is None else shortcut(), pool)
    y: Tensor = norm(x)
    if shortcut is not None:
        y = y + shortcut()
    if pool:
        # ReLU increases, so its maximum is that of its argument; it is evaluated for a quarter of
        # the values.
        y = functional.max_pool2d(y, 2)
    return functional.relu(y)


def _fits(norm: nn.Module, x: Tensor, pool: bool) -> bool:
    """Whether the loops compute this layer."""
    channels, *sides = x.shape[1:]
    return (
        type(norm) is nn.BatchNorm2d
        and norm.training
        and norm.track_running_stats
        and norm.momentum is not None
        and norm.weight.dtype == torch.float32
        and not (norm._forward_hooks or norm._forward_pre_hooks)
        and x.device.type == "cpu"
        and x.dtype in KINDS
        and (WIDE % channels == 0 or channels % WIDE == 0)
        and x.numel() % WIDE == 0
        and not (pool and (channels % PART or any(side % 2 for side in sides)))
    )


def _batch_norm(norm: nn.BatchNorm2d, x: Tensor, shortcut: Tensor | None, pool: bool) -> Tensor:
    z, table = _Fused.apply(x, shortcut, norm.weight, norm.bias, norm.eps, pool)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        assert norm.momentum is not None
        count = x.numel() // x.shape[1]
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(table[0], norm.momentum)
        norm.running_var.lerp_(table[1] * (count / (count - 1)), norm.momentum)
    result: Tensor = z
    return result


class _Fused(torch.autograd.Function):
    """relu(BN(x) + shortcut), and a table with the mean and variance of each channel."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        shortcut: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        pool: bool,
    ) -> tuple[Tensor, Tensor]:
        x = _dense(x)
        added = None if shortcut is None else _dense(shortcut.to(x.dtype))
        z = _blank(x, 2 if pool else 1)
        table = weight.new_empty(4, len(weight))
        ctx.numbers = (*_shape(x), pool)
        library().fused_forward(
            *map(_address, (x, added, z, weight, bias)), eps, _address(table), *ctx.numbers
        )
        ctx.eps = eps
        ctx.kind = None if shortcut is None else shortcut.dtype
        ctx.save_for_backward(x, None if shortcut is None else z, table)
        ctx.mark_non_differentiable(table)
        return z, table

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        x, z, table = ctx.saved_tensors
        gradient = _dense(gradient.to(x.dtype))
        slope = torch.empty_like(x)
        passed = None if z is None else torch.empty_like(x)
        scales, shifts = table.new_empty(2, table.shape[1])
        library().fused_backward(
            *map(_address, (gradient, x, z, passed, slope)),
            ctx.eps,
            *map(_address, (table, scales, shifts)),
            *ctx.numbers,
        )
        return slope, None if passed is None else passed.to(ctx.kind), scales, shifts, None, None


def _dense(x: Tensor) -> Tensor:
    """The tensor with its channels side by side in memory."""
    return x.contiguous(memory_format=torch.channels_last)


def _blank(x: Tensor, divisor: int) -> Tensor:
    """An uninitialised tensor for images whose sides are so many times smaller."""
    images, channels, height, width = x.shape
    shape = (images, channels, height // divisor, width // divisor)
    return torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)


def _address(x: Tensor | None) -> int | None:
    return None if x is None else x.data_ptr()


def _shape(x: Tensor) -> tuple[int, int, int, bool]:
    """Rows of all images, their width, channels, and whether the values are in bfloat16."""
    images, channels, height, width = x.shape
    return images * height, width, channels, x.dtype == torch.bfloat16
