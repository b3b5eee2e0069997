"""Hessian of a loss in the parameters of a network: products, quotients, extreme eigenvalues.

The Hessian is that of one batch and of a function that is named: with batch normalisation a loss is
another function of the weights in training than in evaluation, and its Hessian another matrix.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from empirical.probes.state import undisturbed

Statistics = Literal["batch", "running", "frozen"]
Method = Literal["auto", "graph", "linear"]
Loss = Callable[[Tensor, Tensor], Tensor]
Parts = tuple[Tensor, ...]

# ResNet-20, batch of 128, CPU: a product by linearisation saves three tenths of one by the retained
# graph, and its set-up costs as much as twelve.  Changing over once what could have been saved
# equals the set-up is never more than twice as dear as the better choice.
CHANGE_OVER: Final = 40
SEED: Final = 0  # of random layers


class Curvature:
    """The Hessian H of ``w -> loss(model(inputs), targets)`` at the present parameters w.

    The model is left as it is: parameters, buffers, training flags and random state.  Later changes
    of its parameters do not reach this object.

    Parameters
    ----------
    model
        Any module; its parameters that require a gradient are w, in the order of
        ``model.parameters()``, flattened.
    loss
        Maps (outputs, targets) to a scalar.
    inputs, targets
        One batch.
    statistics
        ``"batch"``: training mode, the statistics of the batch as functions of w: what training
        descends and the theory is about.  ``"running"``: evaluation mode, running statistics as
        constants.  ``"frozen"``: evaluation mode, the statistics of this batch at w as constants,
        so that the loss and its activations are those of ``"batch"`` and the curvature is not.
    method
        ``"graph"`` retains the graph of the gradient and goes backward through it for every
        product; ``"linear"`` linearises the gradient once; ``"auto"`` begins with the first and
        changes to the second when enough products have been asked for.

    Raises
    ------
    ValueError
        If the model has no parameter that requires a gradient, a word is unknown, the loss is no
        scalar, or ``"frozen"`` meets a batch-normalisation layer without running statistics.
    FloatingPointError
        If the loss is not finite.

    Notes
    -----
    Random layers (dropout) draw with one fixed seed, so that all products are of one function.
    Finite differences of gradients are not used: in float32 they are wrong by factors.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        inputs: Tensor,
        targets: Tensor,
        *,
        statistics: Statistics = "batch",
        method: Method = "auto",
    ) -> None:
        _one_of("statistics", statistics, get_args(Statistics))
        _one_of("method", method, get_args(Method))
        chosen = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if not chosen:
            raise ValueError("the model has no parameter that requires a gradient")
        self.products = 0
        self._model, self._loss, self._inputs, self._targets = model, loss, inputs, targets
        self._statistics, self._method = statistics, method
        self._names = tuple(chosen)
        self._point = tuple(p.detach().clone().requires_grad_() for p in chosen.values())
        self._tangent: Callable[..., Parts] | None = None
        self._graph: Parts | None = None
        with self._mode():
            value = self._value(*self._point)
            if value.dim():
                raise ValueError(f"the loss has shape {tuple(value.shape)}; it must be a scalar")
            if not torch.isfinite(value):
                raise FloatingPointError(f"the loss is {value.item()}: no Hessian there")
            self._graph = torch.autograd.grad(
                value, self._point, create_graph=True, materialize_grads=True
            )
        self.value = value.item()

    @property
    def size(self) -> int:
        """Number of parameters, the side of H."""
        return sum(part.numel() for part in self._point)

    @property
    def gradient(self) -> Tensor:
        """Gradient of the loss at w, flat, (size,)."""
        assert self._graph is not None
        return torch.cat([part.detach().flatten() for part in self._graph])

    def product(self, direction: Tensor) -> Tensor:
        """``H direction``, flat, (size,)."""
        if direction.shape != (self.size,):
            shape = tuple(direction.shape)
            raise ValueError(f"direction has shape {shape}; it must be ({self.size},)")
        sizes = [part.numel() for part in self._point]
        pieces = zip(torch.split(direction, sizes), self._point, strict=True)
        parts = tuple(piece.view_as(part).to(part) for piece, part in pieces)
        self.products += 1
        linear = self._method == "linear" or (
            self._method == "auto" and self.products > CHANGE_OVER
        )
        along = self._linear(parts) if linear else self._double_backward(parts)
        return torch.cat([part.flatten() for part in along])

    def quotient(self, direction: Tensor) -> float:
        """``<d, H d>/<d, d>``: the curvature along `direction`."""
        return float(direction @ self.product(direction) / (direction @ direction))

    def eigenvalues(
        self, count: int = 1, *, which: Literal["LA", "SA", "LM"] = "LA", tolerance: float = 1e-2
    ) -> NDArray[np.float64]:
        """Extreme eigenvalues by Lanczos iteration, the first named first.

        Parameters
        ----------
        count
            How many, below `size`.
        which
            As `scipy.sparse.linalg.eigsh`: largest, smallest, or largest in magnitude.
        tolerance
            Of the residual, relative to the eigenvalue.  The error of the eigenvalue goes as its
            square: 1e-6 to 1e-4 for the default on residual networks.
        """
        dtype, device = self._point[0].dtype, self._point[0].device

        def apply(v: NDArray[np.float64]) -> NDArray[np.float64]:
            given = torch.as_tensor(v.ravel(), dtype=dtype, device=device)
            result: NDArray[np.float64] = self.product(given).cpu().double().numpy()
            return result

        operator = LinearOperator((self.size, self.size), matvec=apply, dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(self.size)
        # A short basis, restarted: one outstanding eigenvalue is found in ten products, where
        # SciPy's default takes twenty before it looks.
        found = eigsh(
            operator,
            k=count,
            which=which,
            ncv=min(2 * count + 4, self.size),
            tol=tolerance,
            v0=start,
            return_eigenvectors=False,
        )
        order = {"LA": -found, "SA": found, "LM": -np.abs(found)}[which]
        return np.asarray(found[np.argsort(order)], dtype=np.float64)

    def _double_backward(self, parts: Parts) -> Parts:
        assert self._graph is not None
        return torch.autograd.grad(
            self._graph, self._point, parts, retain_graph=True, materialize_grads=True
        )

    def _linear(self, parts: Parts) -> Parts:
        if self._tangent is None:
            gradient = torch.func.grad(self._value, argnums=tuple(range(len(self._point))))
            at = tuple(part.detach() for part in self._point)
            with self._mode(), warnings.catch_warnings():
                # Of the trace that linearize makes; the constants it names are there.
                warnings.filterwarnings("ignore", "Attempted to insert a get_attr Node")
                _, self._tangent = torch.func.linearize(gradient, *at)
        with torch.random.fork_rng(self._accelerators()):
            torch.manual_seed(SEED)  # the trace draws the masks of dropout anew
            return self._tangent(*parts)

    def _accelerators(self) -> list[torch.device]:
        return list({part.device for part in self._point if part.device.type == "cuda"})

    def _value(self, *point: Tensor) -> Tensor:
        """The loss at `point`; buffers are copies, so that nothing of the model is written to."""
        buffers = {name: buffer.clone() for name, buffer in self._model.named_buffers()}
        given = dict(zip(self._names, point, strict=True)) | buffers | self._frozen
        outputs = torch.func.functional_call(self._model, given, (self._inputs,))
        return self._loss(outputs, self._targets)

    @contextmanager
    def _mode(self) -> Iterator[None]:
        """Put the model into the mode that `statistics` names, and draw with one seed."""
        layers = {n: m for n, m in self._model.named_modules() if isinstance(m, _BatchNorm)}
        tracking = {layer: layer.track_running_stats for layer in layers.values()}
        with undisturbed(self._model):
            torch.manual_seed(SEED)
            self._frozen = {}
            if self._statistics == "frozen":
                self._frozen = _batch_statistics(self._model, layers, self._inputs)
            if self._statistics != "batch":
                self._model.eval()
            try:
                for layer in layers.values():
                    # Running statistics must not be written to under a transformation.
                    layer.track_running_stats = self._statistics != "batch"
                yield
            finally:
                for layer, before in tracking.items():
                    layer.track_running_stats = before


def _one_of(name: str, word: str, allowed: tuple[str, ...]) -> None:
    if word not in allowed:
        raise ValueError(f"{name} {word!r}: must be one of {', '.join(allowed)}")


def _batch_statistics(
    model: nn.Module, layers: dict[str, _BatchNorm], inputs: Tensor
) -> dict[str, Tensor]:
    """Mean and biased variance that each layer divides by on this batch, as buffers of that name.

    Raises
    ------
    ValueError
        If a layer keeps no running statistics, for which these could stand.
    """
    found: dict[str, Tensor] = {}
    handles = []
    for name, layer in layers.items():
        if layer.running_mean is None:
            raise ValueError(f"statistics 'frozen': {name} keeps no running statistics")

        def record(_module: nn.Module, given: tuple[Tensor, ...], name: str = name) -> None:
            axes = [axis for axis in range(given[0].dim()) if axis != 1]
            found[f"{name}.running_mean"] = given[0].mean(axes)
            found[f"{name}.running_var"] = given[0].var(axes, correction=0)

        handles.append(layer.register_forward_pre_hook(record))
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found
