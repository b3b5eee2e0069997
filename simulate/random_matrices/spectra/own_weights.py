"""Spectra of a person's own weights, one matrix at a time: a bad one spoils only its own row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.spectra.bulk import Bulk, Tail, bulk, tail
from bnproof.simulate.random_matrices.spectra.parts import Operator
from bnproof.simulate.random_matrices.spectra.sampling import Field
from bnproof.simulate.random_matrices.spectra.singular_values import log_singular_values
from bnproof.simulate.random_matrices.spectra.spectrum import Spectrum, shown
from bnproof.simulate.random_matrices.spectra.weights import Stored
from bnproof.theory.common.errors import UserError

TOGETHER: Final = 2**30  # bytes of the matrices of a product, which are held at once


@dataclass(frozen=True)
class Row:
    """What was found about one stored matrix.

    Attributes
    ----------
    spectrum
        Singular values on the scale of the law, with the outliers counted.
    kind
        "matrix"; "convolution", whose kernel is taken as a matrix (out, in * height * width); or
        "operator", a convolution as a map of images.
    log_scale
        Natural logarithm of the scale by which the values were divided.
    bulk, tail
        Fits; None if there are too few values.
    error
        Largest estimated relative error of a singular value.
    """

    spectrum: Spectrum
    kind: str
    log_scale: float
    bulk: Bulk | None
    tail: Tail | None
    error: float

    @property
    def logs(self) -> Array:
        """Natural logarithms of the singular values as stored."""
        return self.spectrum.logs[0] + self.log_scale

    def numbers(self) -> dict[str, object]:
        """Everything as JSON data; None where a number is not defined."""
        logs = self.logs
        condition = float((logs[0] - logs[-1]) / np.log(10))
        fit, law = self.bulk, self.tail
        return {
            "name": self.spectrum.name,
            "kind": self.kind,
            "rows": self.spectrum.widths[1],
            "columns": self.spectrum.widths[0],
            "widths": list(self.spectrum.widths),
            "log10 of the spectral norm": float(logs[0] / np.log(10)),
            "stable rank": float(np.exp(2 * (logs - logs[0])).sum()),
            "log10 of the condition number": condition if np.isfinite(condition) else None,
            "values that are 0": int(np.isneginf(logs).sum()),
            "largest relative error of a value": self.error if np.isfinite(self.error) else None,
            "law": "Marchenko-Pastur" if fit else None,
            "standard deviation of the bulk": fit and fit.sigma,
            "edge": fit and fit.edge,
            "outliers": fit and len(fit.outliers),
            "p-values of the outliers": fit and list(fit.outliers),
            "distance of the bulk": fit and fit.fit.distance,
            "p-value of the distance": fit and fit.fit.value,
            "exponent of the tail": law and law.exponent,
            "start of the tail": law and law.least,
            "distance of the tail": law and law.distance,
            "values in the tail": law and law.count,
        }


def rows(items: Iterable[Stored]) -> Iterator[tuple[Stored, Row | str]]:
    """Analyse each matrix; a string says why one is left out.  One is held at a time."""
    for item in items:
        try:
            yield item, _operator(item) if isinstance(item, Operator) else _row(item)
        except UserError as error:
            yield item, str(error).removeprefix(f"{item.name}: ")


def product(items: Sequence[Stored], found: Sequence[Row]) -> Spectrum | str:
    """The spectrum of the product of matrices that chain, or why there is none.

    Factors are scaled as in `found`.
    """
    shapes = [row.spectrum.widths for row in found]
    if len(items) < 2:
        return "there is one matrix"
    if any(row.kind != "matrix" for row in found) or any(a[1] != b[0] for a, b in pairwise(shapes)):
        return "the shapes do not chain"
    if 8 * sum(int(np.prod(shape)) for shape in shapes) > TOGETHER:
        return f"the matrices take more than {TOGETHER:.2g} bytes together; choose fewer"
    layers = []
    for item, row in zip(items, found, strict=True):
        matrix, log_largest = _scaled(item.name, item.matrix())
        layers.append((matrix * np.exp(log_largest - row.log_scale)).mT)
    values = log_singular_values(layers, return_error=True).values.numpy()
    widths = (shapes[0][0], *(shape[1] for shape in shapes))
    return Spectrum(f"product of {len(items)}", widths, values[None])


def _row(item: Stored) -> Row:
    matrix, log_largest = _scaled(item.name, item.matrix())
    found = log_singular_values([matrix], return_error=True)
    logs, shape = found.values.numpy(), (matrix.shape[0], matrix.shape[1])
    finite = np.isfinite(logs)
    error = float(found.error.numpy()[finite].max())
    field: Field = "complex" if matrix.is_complex() else "real"
    fit = bulk(np.exp(logs), shape, field)
    sigma = fit.sigma if fit else float(matrix.abs().square().mean().sqrt())
    scale = float(np.log(sigma) + np.log(shape[1]) / 2)
    spectrum = Spectrum(
        shown(item.name),
        (shape[1], shape[0]),
        (logs - scale)[None],
        outliers=len(fit.outliers) if fit else 0,
    )
    power = tail(np.exp(logs))
    # Back from the scale of the largest entry.
    grow = float(np.exp(np.clip(log_largest, -700, 700)))
    if fit:
        fit = Bulk(fit.sigma * grow, fit.edge * grow, fit.outliers, fit.fit)
    if power:
        power = Tail(power.exponent, power.least * grow, power.distance, power.count)
    kind = "convolution" if len(item.shape) > 2 else "matrix"
    return Row(spectrum, kind, scale + log_largest, fit, power, error)


def _operator(item: Operator) -> Row:
    """What is known of a convolution as a map of images.

    The matrix at each frequency has independent Gaussian entries if the kernel has, so that its
    spectrum follows the law of one such matrix; but frequencies are not independent, and no p-value
    is calibrated for them.
    """
    kernel, log_largest = _scaled(item.name, item.tensor())
    values, error, shape = item.values(kernel)
    sigma = float(np.sqrt(np.square(values).sum() * min(shape) / len(values) / np.prod(shape)))
    scale = float(np.log(sigma) + np.log(shape[1]) / 2)
    with np.errstate(divide="ignore"):
        logs = np.log(values) - scale
    spectrum = Spectrum(shown(item.name), (shape[1], shape[0]), logs[None])
    return Row(spectrum, "operator", scale + log_largest, None, None, float(error.max()))


def _scaled(name: str, tensor: Tensor) -> tuple[Tensor, float]:
    """The matrix over its largest entry, in double precision, and the logarithm of that entry."""
    matrix = tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)
    if tensor.dim() < 2 or not tensor.numel():
        raise UserError(f"{name}: has the shape {tuple(tensor.shape)}")
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise UserError(f"{name}: is of type {str(tensor.dtype).removeprefix('torch.')}")
    if not torch.isfinite(matrix).all():
        raise UserError(f"{name}: holds NaN or infinity")
    largest = float(matrix.abs().max())
    if largest == 0:
        raise UserError(f"{name}: is 0 everywhere")
    return matrix / largest, float(np.log(largest))
