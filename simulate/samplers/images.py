"""Random images and changes of their contrast and brightness."""

from collections.abc import Iterable, Iterator
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, chunks, normals
from bnproof.theory.claim import RandomTest
from bnproof.theory.symbols import m
from bnproof.theory.training import images as symbols

CHUNK: Final = 250  # about 100 MB at the largest number of pixels


class Images(Measurements):
    """Symbols of `bnproof.theory.training.images` on K images (K, pixels)."""

    def __init__(self, image: Tensor, contrast: Tensor, brightness: Tensor) -> None:
        self.image, self.contrast, self.brightness = image, contrast, brightness

    @property
    def moved(self) -> Tensor:
        """The images after a change of contrast and brightness."""
        return self.contrast[:, None] * self.image + self.brightness[:, None]

    @property
    def moved_size(self) -> Tensor:
        """Sum of the absolute values of the terms of `moved`."""
        return self.contrast[:, None] * self.image.abs() + self.brightness.abs()[:, None]


def standardised(image: Tensor) -> Tensor:
    """Images less their means, over their standard deviations."""
    return (image - image.mean(1, keepdim=True)) / image.std(1, correction=0, keepdim=True)


def _size(image: Tensor, terms: Tensor) -> Tensor:
    """Size of the terms that cancel in a standardised pixel."""
    return (terms + terms.mean(1, keepdim=True)) / image.std(1, correction=0, keepdim=True)


Images.VALUES = {
    m: lambda q: torch.full_like(q.contrast, q.image.shape[1]),
    symbols.contrast: lambda q: q.contrast,
    symbols.brightness: lambda q: q.brightness,
    symbols.level: lambda q: q.image.mean(1),
    symbols.depth: lambda q: q.image.std(1, correction=0),
    symbols.pixel_k: lambda q: q.image,
    symbols.standard_k: lambda q: standardised(q.image),
    symbols.standard_moved_k: lambda q: standardised(q.moved),
}
Images.MAGNITUDES = {
    symbols.level: lambda q: q.image.abs().mean(1),
    symbols.standard_k: lambda q: _size(q.image, q.image.abs()),
    symbols.standard_moved_k: lambda q: _size(q.moved, q.moved_size),
}


def draw(count: int, pixels: int, seed: int, device: str) -> Images:
    """Draw `count` images, contrasts above 0 and brightnesses of either sign."""
    normal = normals(seed, device)
    return Images(normal(count, pixels), normal(count).exp(), normal(count))


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Numbers of pixels."""
    del symbols
    return range(2, 4097)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Images]]:
    """Yield (pixels, images): `total` of each size, in chunks."""
    del domain
    for pixels, count, stream in chunks(spec.sizes, total, CHUNK, seed):
        yield pixels, draw(count, pixels, stream, device)


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the images."""
    del domain
    return {"pixels": list(spec.sizes), "dtype": "float64"}
