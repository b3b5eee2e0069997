"""Losses of random networks, as primitives and with their derivatives in closed form.

Shapes: K problems, batch size m, C classes; m is the last, contiguous axis.  A loss maps z (K, m)
to one number per problem (K,) by plain operations, so that automatic differentiation can take any
derivative.  The closed forms share only the parameters with it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final, Self

import torch
from torch import Tensor
from torch.nn import functional

from bnproof.simulate.samplers.base import Normal, apply, dot

CLASSES: Final = 10
RANK: Final = 2
Linear = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Loss(ABC):
    """A loss of z for each of K problems; all fields are tensors with K as their first axis."""

    @classmethod
    @abstractmethod
    def draw(cls, count: int, m: int, normal: Normal) -> Self:
        """Draw parameters for `count` problems; ``normal(*shape)`` returns standard normals."""

    @abstractmethod
    def __call__(self, z: Tensor) -> Tensor:
        """The loss, (K,)."""

    @abstractmethod
    def derivatives(self, z: Tensor) -> tuple[Tensor, Linear]:
        """Gradient at z, (K, m), and the map ``u -> H u`` at z, in closed form."""

    @abstractmethod
    def terms(self, z: Tensor) -> tuple[Tensor, Linear]:
        """Sums of the absolute values of the terms that cancel in `derivatives`.

        The second maps u >= 0, the entrywise size of a direction, to that sum for ``H u``.
        """

    def take(self, part: slice) -> Self:
        """The losses of some of the problems."""
        return type(self)(*(getattr(self, field.name)[part] for field in fields(self)))

    def to(self, device: str, dtype: torch.dtype) -> Self:
        """The same losses on another device or in another dtype; labels stay integers."""
        values = (getattr(self, field.name) for field in fields(self))
        return type(self)(
            *(v.to(device, dtype if v.is_floating_point() else v.dtype) for v in values)
        )


def joined(losses: Sequence[Loss]) -> Loss:
    """Concatenate losses of one kind into one batch."""
    kind = type(losses[0])
    parts = ([getattr(loss, field.name) for loss in losses] for field in fields(kind))
    return kind(*(torch.cat(values) for values in parts))


def quadratic(A: Tensor, b: Tensor) -> Callable[[Tensor], Tensor]:
    """The loss ``z'Az/2 + b'z`` of z (K, m), in which only the symmetric part of A counts."""
    symmetric = (A + A.mT) / 2
    return lambda z: dot(z, apply(symmetric, z)) / 2 + dot(b, z)


def _diagonal(entries: Tensor) -> Linear:
    return lambda u: entries * u


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Mean cross-entropy of ``logits = a z + o``.

    Attributes
    ----------
    readout
        a, weights of this unit, (K, C).
    others
        o, the contribution of all other units, (K, C, m).
    label
        Target class of each sample, (K, m).
    """

    readout: Tensor
    others: Tensor
    label: Tensor

    @classmethod
    def draw(cls, count: int, m: int, normal: Normal) -> Self:
        """Labels are uniform."""
        readout, others = normal(count, CLASSES), normal(count, CLASSES, m)
        place = torch.special.ndtr(normal(count, m)) * CLASSES
        return cls(readout, others, place.long().clamp(max=CLASSES - 1))

    def _logits(self, z: Tensor) -> Tensor:
        return torch.addcmul(self.others, self.readout.unsqueeze(-1), z.unsqueeze(1))

    def _chosen(self) -> Tensor:
        """Readout weight for the target class of each sample, (K, m)."""
        return self.readout.gather(1, self.label)

    def __call__(self, z: Tensor) -> Tensor:
        """The loss, (K,)."""
        return functional.cross_entropy(self._logits(z), self.label, reduction="none").mean(-1)

    def derivatives(self, z: Tensor) -> tuple[Tensor, Linear]:
        """``g = (E a - a_t)/m`` and ``H = diag(Var a)/m``, with moments under the softmax."""
        logits, a = self._logits(z), self.readout
        # Exponentials and one product with (1, a, a^2) take half the time of torch.softmax.
        shares = torch.exp_(logits.sub_(logits.amax(1, keepdim=True)))
        powers = torch.stack((torch.ones_like(a), a, a.square()), 1)
        total, mean, square = torch.bmm(powers, shares).unbind(1)
        mean, square, m = mean / total, square / total, z.shape[-1]
        variance = torch.addcmul(square, mean, mean, value=-1)
        return (mean - self._chosen()) * (1 / m), _diagonal(variance * (1 / m))

    def terms(self, z: Tensor) -> tuple[Tensor, Linear]:
        """Includes a factor ``1 - log share``: exponentials of large numbers lose digits."""
        log = torch.log_softmax(self._logits(z), 1)
        share, size, m = log.exp() * (1 - log), self.readout.abs(), z.shape[-1]
        mean, square = torch.bmm(torch.stack((size, size.square()), 1), share).unbind(1)
        return (mean + self._chosen().abs()) / m, _diagonal((square + mean.square()) / m)


@dataclass(frozen=True)
class SquaredError(Loss):
    """``|A z - t|^2/(2m)``, where ``A = diag(d) + U'V`` couples all samples in O(m) memory.

    Attributes
    ----------
    diagonal, target
        d and t, (K, m).
    left, right
        U and V, (K, 2, m).
    """

    diagonal: Tensor
    left: Tensor
    right: Tensor
    target: Tensor

    @classmethod
    def draw(cls, count: int, m: int, normal: Normal) -> Self:
        """Entries of U'V have size ``1/sqrt(m)``, like those of a dense Gaussian matrix."""
        left, right = normal(count, RANK, m), normal(count, RANK, m) / m**0.5
        return cls(normal(count, m), left, right, normal(count, m))

    def _size(self) -> Self:
        return type(self)(*(getattr(self, field.name).abs() for field in fields(self)))

    def _mix(self, z: Tensor) -> Tensor:
        return self.diagonal * z + _low_rank(self.left, self.right, z)

    def _back(self, r: Tensor) -> Tensor:
        return self.diagonal * r + _low_rank(self.right, self.left, r)

    def __call__(self, z: Tensor) -> Tensor:
        """The loss, (K,)."""
        return (self._mix(z) - self.target).square().mean(-1) / 2

    def derivatives(self, z: Tensor) -> tuple[Tensor, Linear]:
        """``g = A'(A z - t)/m`` and ``H = A'A/m``."""
        m = z.shape[-1]
        return self._back(self._mix(z) - self.target) / m, lambda u: self._back(self._mix(u)) / m

    def terms(self, z: Tensor) -> tuple[Tensor, Linear]:
        """The same with absolute values throughout."""
        size, m = self._size(), z.shape[-1]
        gradient = size._back(size._mix(z.abs()) + size.target) / m
        return gradient, lambda u: size._back(size._mix(u)) / m


def _low_rank(left: Tensor, right: Tensor, u: Tensor) -> Tensor:
    inner = torch.bmm(right, u.unsqueeze(-1))
    return torch.bmm(left.mT, inner).squeeze(-1)


@dataclass(frozen=True)
class Logistic(Loss):
    """Mean of ``log(1 + exp(-q))`` with ``q = w z + b``; w (K, m) has the sign of the label."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def draw(cls, count: int, m: int, normal: Normal) -> Self:
        """One weight per problem, a label and a bias for each sample."""
        return cls(normal(count, 1) * normal(count, m).sign(), normal(count, m))

    def __call__(self, z: Tensor) -> Tensor:
        """The loss, (K,)."""
        return -functional.logsigmoid(self.weight * z + self.bias).mean(-1)

    def derivatives(self, z: Tensor) -> tuple[Tensor, Linear]:
        """``g = -w S(-q)/m`` and ``H = diag(w^2 S(q) S(-q))/m``, S the logistic function."""
        q, m = self.weight * z + self.bias, z.shape[-1]
        miss = torch.sigmoid(-q)
        bend = self.weight.square() * miss * torch.sigmoid(q)
        return -self.weight * miss / m, _diagonal(bend / m)

    def terms(self, z: Tensor) -> tuple[Tensor, Linear]:
        """Nothing cancels in the gradient; autodiff takes ``S(-q)`` in H as ``1 - S(q)``."""
        q, m = self.weight * z + self.bias, z.shape[-1]
        hit = torch.sigmoid(q)
        bend = self.weight.square() * hit * (1 + hit)
        return self.weight.abs() * torch.sigmoid(-q) / m, _diagonal(bend / m)


@dataclass(frozen=True)
class NonConvex(Loss):
    """Squared error after a tanh unit, ``|tanh(w z + b) - t|^2/(2m)``, of indefinite curvature.

    Attributes
    ----------
    weight
        w, (K, 1).
    bias, target
        b and t, (K, m).
    """

    weight: Tensor
    bias: Tensor
    target: Tensor

    @classmethod
    def draw(cls, count: int, m: int, normal: Normal) -> Self:
        """All parameters are normal."""
        return cls(normal(count, 1), normal(count, m), normal(count, m))

    def __call__(self, z: Tensor) -> Tensor:
        """The loss, (K,)."""
        return (torch.tanh(self.weight * z + self.bias) - self.target).square().mean(-1) / 2

    def derivatives(self, z: Tensor) -> tuple[Tensor, Linear]:
        """With ``q = tanh``, ``r = q - t``: ``w (1-q^2) r/m`` and ``w^2 (1-q^2)(1-q^2-2qr)/m``."""
        q, m = torch.tanh(self.weight * z + self.bias), z.shape[-1]
        slope, miss = 1 - q.square(), q - self.target
        bend = self.weight.square() * slope * (slope - 2 * q * miss)
        return self.weight * slope * miss / m, _diagonal(bend / m)

    def terms(self, z: Tensor) -> tuple[Tensor, Linear]:
        """The same with every sign positive."""
        q, m = torch.tanh(self.weight * z + self.bias).abs(), z.shape[-1]
        slope, miss = 1 + q.square(), q + self.target.abs()
        bend = self.weight.square() * slope * (slope + 2 * q * miss)
        return self.weight.abs() * slope * miss / m, _diagonal(bend / m)


LOSSES: Final[dict[str, Callable[[int, int, Normal], Loss]]] = {
    "cross-entropy": CrossEntropy.draw,
    "squared error": SquaredError.draw,
    "logistic": Logistic.draw,
    "non-convex": NonConvex.draw,
}
