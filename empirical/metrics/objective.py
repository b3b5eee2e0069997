"""The loss of one batch as a function of the parameters, with explicit statistics.

With batch normalisation the loss is a different function of the weights in training mode and in
evaluation mode, with different gradients and Hessians, so the statistics must be specified.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bnproof.empirical.networks.undisturbed import undisturbed
from bnproof.theory.common.errors import one_of

Statistics = Literal["batch", "running", "frozen"]
Loss = Callable[[Tensor, Tensor], Tensor]
Parts = tuple[Tensor, ...]

SEED: Final = 0  # for random layers


class Objective:
    """``w -> loss(model(inputs), targets)``, leaving the model unchanged.

    Parameters, buffers, training flags and random state are untouched; later changes to the model's
    parameters do not affect `point`.

    Parameters
    ----------
    model
        Any module; w consists of its parameters that require a gradient, in the order of
        ``model.parameters()``.
    loss
        Maps (outputs, targets) to a scalar.
    inputs, targets
        One batch.
    statistics
        ``"batch"``: training mode, with batch statistics as functions of w: the function that
        training minimises and that the theory is about.  ``"running"``: evaluation mode, with
        running statistics as constants.  ``"frozen"``: evaluation mode, with the batch statistics
        at the model's w as constants, so that loss and activations at w equal those of ``"batch"``
        (without random layers), but derivatives do not.

    Attributes
    ----------
    point
        A copy of the model's w, a tuple of tensors.

    Raises
    ------
    ValueError
        If the model has no parameter that requires a gradient, `statistics` is unknown, or with
        ``"frozen"`` a batch-normalisation layer has no running statistics or a layer with running
        statistics is not PyTorch's.

    Notes
    -----
    Random layers (dropout) use a fixed seed, so that all values are those of a single function.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        inputs: Tensor,
        targets: Tensor,
        *,
        statistics: Statistics = "batch",
    ) -> None:
        one_of("statistics", statistics, get_args(Statistics))
        chosen = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if not chosen:
            raise ValueError("the model has no parameter that requires a gradient")
        self._model, self._loss, self._inputs, self._targets = model, loss, inputs, targets
        self._statistics = statistics
        self._names = tuple(chosen)
        self._layers = {n: m for n, m in model.named_modules() if isinstance(m, _BatchNorm)}
        self._frozen: dict[str, Tensor] = {}
        self.point = tuple(p.detach().clone().requires_grad_() for p in chosen.values())
        if statistics == "frozen":
            self._frozen = _batch_statistics(model, self._layers, inputs)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(part.numel() for part in self.point)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of `point`."""
        return self._names

    def parts(self, flat: Tensor) -> Parts:
        """Split a flat vector (size,) into tensors with the shapes, dtype and device of `point`.

        Raises
        ------
        ValueError
            If it has a different shape.
        """
        if flat.shape != (self.size,):
            raise ValueError(f"vector of shape {tuple(flat.shape)}; it must be ({self.size},)")
        pieces = torch.split(flat, [part.numel() for part in self.point])
        return tuple(
            piece.view_as(part).to(part) for piece, part in zip(pieces, self.point, strict=True)
        )

    def value(self, *point: Tensor) -> Tensor:
        """The differentiable scalar loss at `point`; must be called inside `mode`.

        Buffers are copied, so that the model is not modified.

        Raises
        ------
        ValueError
            If the loss is not a scalar.
        """
        buffers = {name: buffer.clone() for name, buffer in self._model.named_buffers()}
        given = dict(zip(self._names, point, strict=True)) | buffers | self._frozen
        outputs = torch.func.functional_call(self._model, given, (self._inputs,))
        value = self._loss(outputs, self._targets)
        if value.dim():
            raise ValueError(f"the loss has shape {tuple(value.shape)}; it must be a scalar")
        return value

    def gradient(self, point: Parts) -> tuple[float, Parts]:
        """Loss and gradient at `point`, even if they are not finite."""
        at = tuple(part.detach().requires_grad_() for part in point)
        with self.mode(), torch.enable_grad():
            value = self.value(*at)
            gradient = torch.autograd.grad(value, at, materialize_grads=True)
        return value.item(), gradient

    @contextmanager
    def mode(self) -> Iterator[None]:
        """Put the model into the mode that `statistics` requires, with a fixed seed."""
        tracking = {layer: layer.track_running_stats for layer in self._layers.values()}
        with undisturbed(self._model):
            torch.manual_seed(SEED)
            self._model.train(self._statistics == "batch")
            try:
                for layer in tracking:
                    # Running statistics must not be written to under a transformation.
                    layer.track_running_stats = self._statistics != "batch"
                yield
            finally:
                for layer, before in tracking.items():
                    layer.track_running_stats = before


def flatten(parts: Parts) -> Tensor:
    """Concatenate all entries into one vector."""
    return torch.cat([part.detach().flatten() for part in parts])


def inner(u: Tensor, v: Tensor) -> float:
    """``<u,v>`` of flat vectors."""
    return float(u @ v)


def _batch_statistics(
    model: nn.Module, layers: dict[str, _BatchNorm], inputs: Tensor
) -> dict[str, Tensor]:
    """Mean and biased variance of each layer on this batch, by the names of the buffers.

    Raises
    ------
    ValueError
        If a layer has no running statistics that these could replace, or has running statistics but
        is not PyTorch's batch normalisation.
    """
    for path, _ in model.named_buffers():
        owner, _, buffer = path.rpartition(".")
        if buffer.startswith("running_") and owner not in layers:
            raise ValueError(f"statistics 'frozen': {owner} keeps statistics of its own, {buffer}")
    statistics: dict[str, Tensor] = {}
    handles = []
    for name, layer in layers.items():
        if layer.running_mean is None:
            raise ValueError(f"statistics 'frozen': {name} keeps no running statistics")

        def record(_module: nn.Module, given: tuple[Tensor, ...], name: str = name) -> None:
            axes = [axis for axis in range(given[0].dim()) if axis != 1]
            statistics[f"{name}.running_mean"] = given[0].mean(axes)
            statistics[f"{name}.running_var"] = given[0].var(axes, correction=0)

        handles.append(layer.register_forward_pre_hook(record))
    try:
        with undisturbed(model), torch.no_grad():
            torch.manual_seed(SEED)
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return statistics
