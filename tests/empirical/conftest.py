"""A stand-in for CUDA graphs on the CPU."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bnproof.empirical.training import graphs, loop, stack

READINGS = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero")


class Tape(TorchDispatchMode):
    """Notes every operation and its tensors, and repeats them in the same memory.

    As in a CUDA graph, what Python computed while it was recorded is a constant, results of earlier
    replays are overwritten, and no value can be read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in READINGS:
            raise RuntimeError(f"{func}: not permitted when stream is capturing\nmore lines")
        out = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, out))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        with torch._C.DisableTorchFunction():
            for func, args, kwargs, out in self.operations:
                again = func(*args, **kwargs)
                for tensor, value in zip(tree_leaves(out), tree_leaves(again), strict=True):
                    # Views and what is changed in place are in the same memory already.
                    if isinstance(tensor, Tensor) and tensor.data_ptr() != value.data_ptr():
                        tensor.copy_(value)


class StandIn:
    """Records tapes; a real one records without doing the work."""

    def __init__(self) -> None:
        self.tapes: list[Tape] = []

    def warm_up(self, work: Callable[[], None]) -> None:
        work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        tape = Tape()
        with tape:
            work()
        self.tapes.append(tape)
        return tape.replay


def on_device(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The result is on the pretended GPU if an argument is; vmap's own tensors have no mark."""

    def call(*args: Any) -> Tensor:
        out = function(*args)
        out._pretended = any(getattr(tensor, "_pretended", False) for tensor in tree_leaves(args))
        return out

    return call


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[StandIn]:
    """The stand-ins made in place of recorders of CUDA graphs."""
    made: list[StandIn] = []

    def recorder(device: str) -> StandIn:
        made.append(StandIn())
        return made[-1]

    for module in (loop, stack):
        monkeypatch.setattr(module, "recorder", recorder)
    monkeypatch.setattr(stack, "vmap", lambda function: on_device(vmap(function)))
    assert graphs.recorder("cuda").device == "cuda"
    return made
