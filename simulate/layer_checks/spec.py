"""Specification of a layer: which entries form a group, and the normaliser of a group.

Everything is written from primitives, with the `Kind` of
`bnproof.simulate.samplers.definitions.normalizers` for one group, so that it can be differentiated
twice by every route.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from bnproof.simulate.samplers.definitions.normalizers import KINDS, Kind
from bnproof.theory.normalizers.table import NORMALIZERS


@dataclass(frozen=True)
class Axis:
    """Which entries of a tensor form a group.

    Attributes
    ----------
    name
        Description for display.
    dims
        The axes of the tensor that form a group, counted after the channels are split.
    parts
        Number of parts into which the channels (axis 1) are split; 0 for no split.
    channelwise
        Whether gamma and beta have one entry per channel (axis 1).
    """

    name: str
    dims: tuple[int, ...]
    parts: int = 0
    channelwise: bool = True

    def _split(self, shape: torch.Size) -> tuple[int, ...]:
        if not self.parts:
            return tuple(shape)
        return (shape[0], self.parts, shape[1] // self.parts, *shape[2:])

    def fold(self, x: Tensor) -> Tensor:
        """The groups of x, (groups, m)."""
        last = tuple(range(-len(self.dims), 0))
        moved = x.reshape(self._split(x.shape)).movedim(self.dims, last)
        return moved.flatten(-len(self.dims)).flatten(0, -2)

    def unfold(self, groups: Tensor, shape: torch.Size) -> Tensor:
        """Inverse of `fold`: a tensor of that shape from groups (groups, m)."""
        split, last = self._split(shape), tuple(range(-len(self.dims), 0))
        inner = [split[dim] for dim in self.dims]
        outer = [size for dim, size in enumerate(split) if dim not in self.dims]
        return groups.reshape(*outer, *inner).movedim(last, self.dims).reshape(shape)

    def size(self, shape: tuple[int, ...]) -> int:
        """m, the number of entries of a group."""
        split = self._split(torch.Size(shape))
        return int(torch.Size(split[dim] for dim in self.dims).numel())

    def spread(self, parameter: Tensor, shape: torch.Size) -> Tensor:
        """Reshape a parameter to broadcast against a tensor of that shape.

        Raises
        ------
        ValueError
            If it does not fit.
        """
        channels = shape[1]
        if self.channelwise and parameter.dim() == 1 and len(parameter) == channels:
            parameter = parameter.reshape(channels, *[1] * (len(shape) - 2))
        own = tuple(parameter.shape)
        pairs = zip(reversed(own), reversed(shape), strict=False)
        if len(own) > len(shape) or any(size not in (1, full) for size, full in pairs):
            raise ValueError(f"a parameter of shape {own} does not fit {tuple(shape)}")
        return parameter


def batch(dim: int) -> Axis:
    """One channel over the batch and all positions of a tensor with `dim` axes."""
    return Axis("one channel over the batch", (0, *range(2, dim)))


def instance(dim: int) -> Axis:
    """One channel of one sample over all positions."""
    return Axis("one channel of one sample", tuple(range(2, dim)))


def layer(dim: int, last: int) -> Axis:
    """The `last` axes of one sample."""
    words = (
        "one sample over its last axis" if last == 1 else f"one sample over its last {last} axes"
    )
    return Axis(words, tuple(range(dim - last, dim)), channelwise=False)


def channels() -> Axis:
    """All channels at one position of one sample."""
    return Axis("one place of one sample over its channels", (1,))


def group(dim: int, parts: int) -> Axis:
    """The channels of one sample in `parts` parts, over all positions."""
    return Axis(f"one sample over its channels in {parts} parts", tuple(range(2, dim + 1)), parts)


@dataclass(frozen=True)
class NormalizerSpec:
    """Specification of a layer: normaliser, axis, eps, gamma and beta.

    Attributes
    ----------
    name
        The normaliser's name in `bnproof.theory.normalizers.table`.
    kind, axis
        The normaliser for tensors, and which entries form a group.
    eps
        The constant; None for the machine epsilon of the input's dtype (PyTorch's RMSNorm).
    gain, bias
        Names of the parameters gamma and beta, or None.
    offset
        Added to the parameter to give gamma: 0, or 1 for layers that store gamma - 1.
    determined
        How this was determined: by its type, by fit, as named.
    unbiased
        Whether m - 1 takes the place of m in the variance.
    """

    name: str
    kind: Kind
    axis: Axis
    eps: float | None
    gain: str | None = None
    bias: str | None = None
    offset: float = 0.0
    determined: str = "by its type"
    unbiased: bool = False

    @property
    def usual(self) -> bool:
        """Whether its variance and the place of its eps are those of the table."""
        return self.kind == KINDS[self.name] and not self.unbiased

    def constant(self, dtype: torch.dtype) -> float:
        """The value of eps for an input of that dtype."""
        if not self.kind.eps_at:
            return 0.0
        return torch.finfo(dtype).eps if self.eps is None else self.eps

    def gamma(self, state: dict[str, Tensor], like: Tensor) -> Tensor:
        """Gamma, broadcastable against `like`."""
        if self.gain is None:
            return torch.ones((), dtype=like.dtype, device=like.device)
        return self.axis.spread(state[self.gain] + self.offset, like.shape)

    def beta(self, state: dict[str, Tensor], like: Tensor) -> Tensor:
        """Beta, broadcastable against `like`."""
        if self.bias is None:
            return torch.zeros((), dtype=like.dtype, device=like.device)
        return self.axis.spread(state[self.bias], like.shape)

    def scale(self, u: Tensor, constant: float) -> Tensor:
        """S of each group (groups, m), (groups, 1)."""
        if self.unbiased:  # the scale without eps is homogeneous
            u = u * (u.shape[-1] / (u.shape[-1] - 1)) ** 0.5
        floor = torch.as_tensor(constant, dtype=u.dtype, device=u.device)
        S = self.kind.scale(u, floor)
        return torch.maximum(S, floor) if self.kind.eps_at == FLOOR else S

    def normalised(self, x: Tensor, constant: float | None = None) -> Tensor:
        """The normalised tensor n, before gamma and beta."""
        constant = self.constant(x.dtype) if constant is None else constant
        u = self.axis.fold(x)
        top = u - u.mean(-1, keepdim=True) if self.kind.centred else u
        return self.axis.unfold(top / self.scale(u, constant), x.shape)

    def output(self, x: Tensor, state: dict[str, Tensor], constant: float | None = None) -> Tensor:
        """The layer's output z."""
        return self.gamma(state, x) * self.normalised(x, constant) + self.beta(state, x)

    def __str__(self) -> str:
        """One line: name, group, eps and how they were determined."""
        eps = "the machine epsilon" if self.eps is None else f"{self.eps:g}"
        place = PLACES.get(self.kind.eps_at, "")
        constant = f", eps {eps}{place}" if self.kind.eps_at else ""
        constant = f", unbiased variance{constant}" if self.unbiased else constant
        stored = ", gamma = 1 + its parameter" if self.offset else ""
        return f"{self.name} ({self.axis.name}{constant}{stored}), {self.determined}"


FLOOR: Final = "floor"  # the place of an eps that the scale is not allowed to fall below
PLACES: Final = {"outside": " added to the root", FLOOR: " as least scale"}
# Normalisers that are in use with eps elsewhere and with the unbiased variance.
VARIED: Final = ("LayerNorm", "RMSNorm")


def forms(spec: NormalizerSpec) -> Iterator[NormalizerSpec]:
    """A specification and the other forms in which its normaliser is in use."""
    yield spec
    if spec.name not in VARIED:
        return
    for place in ("inside", "outside", FLOOR):
        kind = replace(spec.kind, eps_at=place)
        for unbiased in (False, True) if kind.scale_centred else (False,):
            form = replace(spec, kind=kind, unbiased=unbiased)
            if form != spec:
                yield form


USUAL: Final = {entry.option: entry.name for entry in NORMALIZERS if entry.option}
