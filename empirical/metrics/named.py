"""Layers by name: their outputs and the order in which they are called."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn

SHOWN: Final = 10  # names listed in a message if none is similar


def hint(name: str, known: Iterable[str]) -> str:
    """Suggest names similar to an unknown one, or list the first known ones."""
    every = list(known)
    near = difflib.get_close_matches(name, every, n=3, cutoff=0.4)
    if near:
        return f"nearest: {', '.join(near)}"
    return f"known: {', '.join(every[:SHOWN])}{', ...' if len(every) > SHOWN else ''}"


def layers_of(model: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    """The modules with these names, as in ``model.named_modules()``.

    Raises
    ------
    ValueError
        If `names` is empty or a name is unknown; the message suggests similar ones.
    """
    if isinstance(names, str) or not names:
        raise ValueError(f"layers {names!r}: must be a list of one or more module names")
    every = {name: module for name, module in model.named_modules() if name}
    for name in names:
        if name not in every:
            raise ValueError(f"layers: no layer {name!r}; {hint(name, every)}")
    return {name: every[name] for name in names}


@contextmanager
def outputs_of(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Record the outputs of the named layers in the enclosed forward passes; the last one counts.

    Each is a copy of shape (units, samples), float64 on the CPU: axis 1 of the output is that of
    the units (channels or features), all other axes are samples.  As copies, they are not affected
    by later in-place layers.

    Raises
    ------
    ValueError
        As `layers_of`; or if an output is not a tensor with two or more axes.
    """
    outputs: dict[str, Tensor] = {}
    handles = []
    try:
        for name, module in layers_of(model, names).items():

            def record(
                _module: nn.Module, _given: object, output: object, name: str = name
            ) -> None:
                outputs[name] = by_unit(output, name).double().cpu()

            handles.append(module.register_forward_hook(record))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def by_unit(output: object, name: str) -> Tensor:
    """A detached copy with one row per unit: (units, samples).

    Raises
    ------
    ValueError
        If it is not a tensor with two or more axes.
    """
    if not isinstance(output, Tensor) or output.dim() < 2:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"layer {name!r}: its output is {shape}; must be (batch, units, ...)")
    return torch.clone(output.detach().transpose(0, 1).flatten(1))


@contextmanager
def order_of(model: nn.Module) -> Iterator[list[str]]:
    """Record the names of all modules in the order in which they are first called."""
    calls: list[str] = []
    handles = []
    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(_noting(calls, name)))
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _noting(calls: list[str], name: str) -> Callable[[nn.Module, object], None]:
    def note(_module: nn.Module, _given: object) -> None:
        if name not in calls:
            calls.append(name)

    return note


def parameters_before(model: nn.Module, name: str, calls: Sequence[str]) -> set[str]:
    """Names of the parameters held by modules called before `name`; see `order_of`.

    Parameters held directly by an enclosing module are excluded: when they act is unknown.
    """
    earlier = set(calls[: calls.index(name)])
    within = {part for part in earlier if not part or name.startswith(part + ".")}
    held = {
        id(parameter)
        for module_name, module in model.named_modules()
        if module_name in earlier - within
        for parameter in module.parameters(recurse=False)
    }
    return {full for full, parameter in model.named_parameters() if id(parameter) in held}
