"""A GPU that is pretended: tensors on the CPU with a mark, and an error where a GPU raises one.

What PyTorch computes stays what it is.  Whoever mixes a marked tensor with an unmarked one, reads a
marked one as a NumPy array, or draws marked numbers with a generator of the CPU is told so.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

DEVICE = "cuda"


def tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from tensors(entry)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def marked(tensor: Tensor) -> bool:
    return getattr(tensor, "_pretended", False)


def mark(value: Any, on: bool) -> Any:
    for tensor in tensors(value):
        tensor._pretended = on  # type: ignore[attr-defined]
    return value


def is_gpu(device: Any) -> bool:
    return torch.device(device).type == DEVICE


class PretendedGPU(TorchFunctionMode):
    """Within it ``device="cuda"`` is served by the CPU."""

    class RefusedError(RuntimeError):
        """What a GPU would have refused."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", str(func))
        special = getattr(self, f"_{name}", None)
        if special is not None:
            return special(func, args, kwargs)
        on = self._placed(name, args, kwargs)
        return mark(func(*args, **kwargs), on)

    def _placed(self, name: str, args: Any, kwargs: dict[str, Any]) -> bool:
        """Where the result lies; the device in `kwargs` becomes the CPU."""
        given = [*tensors(list(args)), *tensors(kwargs)]
        on = [tensor for tensor in given if marked(tensor)]
        # A GPU takes a number of the CPU, but no whole tensor, and no number to be joined.
        joins = name in ("stack", "cat", "matmul", "__matmul__", "bmm")
        off = [tensor for tensor in given if not marked(tensor) and (tensor.dim() or joins)]
        if on and off and name != "requires_grad_":
            raise self.RefusedError(f"{name}: all tensors must be on the same device")
        device = kwargs.get("device")
        if device is None:
            return bool(on)
        kwargs["device"] = "cpu"
        if is_gpu(device) and kwargs.get("generator") is not None:
            raise self.RefusedError(f"{name}: a generator of the CPU draws nothing on a GPU")
        return is_gpu(device)

    def ___get__(self, func: Any, args: Any, kwargs: Any) -> Any:
        attribute = getattr(getattr(func, "__self__", None), "__name__", "")
        if attribute == "device":
            return torch.device(DEVICE if marked(args[0]) else "cpu")
        if attribute == "is_cuda":
            return marked(args[0])
        return mark(func(*args, **kwargs), marked(args[0]))

    def ___set__(self, func: Any, args: Any, kwargs: Any) -> Any:
        return func(*args, **kwargs)

    def _numpy(self, func: Any, args: Any, kwargs: Any) -> Any:
        if marked(args[0]):
            raise self.RefusedError("a tensor on a GPU is no NumPy array")
        return func(*args, **kwargs)

    ___array__ = _numpy

    def _cpu(self, func: Any, args: Any, kwargs: Any) -> Any:
        return mark(args[0].view_as(args[0]), False)

    def _to(self, func: Any, args: Any, kwargs: Any) -> Any:
        on, rest = marked(args[0]), []
        for value in (*args[1:], *filter(None, [kwargs.pop("device", None)])):
            if isinstance(value, str | torch.device):
                on = is_gpu(value)
                continue
            if isinstance(value, Tensor):
                on, value = marked(value), value.dtype
            rest.append(value)
        made = func(args[0], *rest, **kwargs) if rest or kwargs else args[0]
        return mark(made.view_as(made) if made is args[0] else made, on)

    def ___getitem__(self, func: Any, args: Any, kwargs: Any) -> Any:
        if not marked(args[0]) and any(map(marked, tensors(args[1]))):
            raise self.RefusedError("indices must be on the CPU, as what they index")
        return mark(func(*args, **kwargs), marked(args[0]))

    def ___setitem__(self, func: Any, args: Any, kwargs: Any) -> Any:
        for tensor in tensors(list(args[1:])):
            if tensor.dim() and marked(tensor) and not marked(args[0]):
                raise self.RefusedError("what is written must be on the CPU")
        return func(*args, **kwargs)

    def _broadcast_tensors(self, func: Any, args: Any, kwargs: Any) -> Any:
        made = func(*args, **kwargs)
        for before, after in zip(tensors(list(args)), made, strict=True):
            mark(after, marked(before))
        return made


@pytest.fixture
def pretended_gpu() -> PretendedGPU:
    return PretendedGPU()
