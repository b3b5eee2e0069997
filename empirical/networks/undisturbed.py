"""Measure a network without changing it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put `model` into training mode; restore it and the random state on exit.

    Training mode means batch statistics: the function that the theory is about.  Restored on exit,
    even after an error, are all buffers (running statistics and their counters), the training flags
    of all modules, and PyTorch's random state on the CPU and the model's device.
    """
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    flags = [(module, module.training) for module in model.modules()]
    devices = {parameter.device for parameter in model.parameters()}
    accelerators = [device for device in devices if device.type == "cuda"]
    with torch.random.fork_rng(devices=accelerators):
        try:
            model.train()
            yield
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
            for module, training in flags:
                module.training = training


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Parameters require no gradients; restored on exit."""
    required = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        for parameter, _ in required:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, before in required:
            parameter.requires_grad_(before)


@contextmanager
def beginning(module: nn.Module) -> Iterator[None]:
    """Let the graph of a `frozen` network begin at the output of `module`.

    Nothing that precedes it is kept for the backward pass.  The hook is removed on exit.
    """

    def begin(_module: nn.Module, _given: tuple[Tensor, ...], output: Tensor) -> None:
        output.requires_grad_()

    handle = module.register_forward_hook(begin)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def captured(
    modules: Mapping[int, nn.Module],
) -> Iterator[tuple[dict[int, Tensor], dict[int, Tensor]]]:
    """Record the input and the output of each of `modules` in the next forward pass.

    Yields two mappings with the keys of `modules`.  The hooks are removed on exit.
    """
    inputs: dict[int, Tensor] = {}
    outputs: dict[int, Tensor] = {}
    handles = []
    try:
        for key, module in modules.items():

            def record(
                _module: nn.Module, given: tuple[Tensor, ...], output: Tensor, key: int = key
            ) -> None:
                inputs[key], outputs[key] = given[0], output

            handles.append(module.register_forward_hook(record))
        yield inputs, outputs
    finally:
        for handle in handles:
            handle.remove()
