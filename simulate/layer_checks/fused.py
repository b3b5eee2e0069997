"""PyTorch's own layer with the specification of another, and the precision a layer computes in."""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bnproof.simulate.layer_checks.case import State
from bnproof.simulate.layer_checks.spec import USUAL, NormalizerSpec

Layer = Callable[[Tensor, State], Tensor]
BATCH: Final = USUAL["batch"]
PARTED: Final = (BATCH, USUAL["instance"], USUAL["group"])  # gamma has an entry per channel


def own_layer(spec: NormalizerSpec) -> Layer | None:
    """PyTorch's own layer of that specification; None if it has none."""
    if spec.name not in USUAL.values() or not spec.usual:
        return None

    def layer(x: Tensor, state: State) -> Tensor:
        eps = spec.constant(x.dtype)
        gamma = None if spec.gain is None else state[spec.gain] + spec.offset
        beta = None if spec.bias is None else state[spec.bias]
        if spec.axis.dims == (1,) and not spec.axis.parts and x.dim() > 2:  # channels of images
            turned = _normalised(spec, x.movedim(1, -1), _flat(gamma), _flat(beta), eps)
            return turned.movedim(-1, 1)
        return _normalised(spec, x, gamma, beta, eps)

    return layer


def _flat(parameter: Tensor | None) -> Tensor | None:
    return None if parameter is None else parameter.flatten()


def _normalised(
    spec: NormalizerSpec, x: Tensor, gamma: Tensor | None, beta: Tensor | None, eps: float
) -> Tensor:
    gamma, beta = (_flat(part) if spec.name in PARTED else part for part in (gamma, beta))
    if spec.name == BATCH:
        return F.batch_norm(x, None, None, gamma, beta, True, 0.1, eps)
    if spec.name == USUAL["instance"]:
        return F.instance_norm(x, weight=gamma, bias=beta, eps=eps)
    if spec.name == USUAL["group"]:
        return F.group_norm(x, spec.axis.parts, gamma, beta, eps)
    shape = list(x.shape[-len(spec.axis.dims) :])
    gamma, beta = (
        None if part is None else part.expand(shape) if part.dim() <= len(shape) else part
        for part in (gamma, beta)
    )
    if spec.name == USUAL["rms"]:
        z = F.rms_norm(x, shape, gamma, eps)
        return z if beta is None else z + beta
    return F.layer_norm(x, shape, gamma, beta, eps)


class _Seen(TorchDispatchMode):
    """Records the floating dtypes of what is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.is_floating_point():
                self.dtypes.add(leaf.dtype)
        return result


def narrowest(layer: Layer, x: Tensor, state: State) -> torch.dtype:
    """The floating dtype with the fewest digits that a call computes in."""
    with _Seen() as seen:
        layer(x, state)
    return max(seen.dtypes, key=lambda dtype: torch.finfo(dtype).eps, default=x.dtype)
