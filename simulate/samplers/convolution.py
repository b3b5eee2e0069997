"""Random 3 x 3 convolutions with zero padding: kernel gradients by autodiff and by (4) of S3."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

import sympy as sp
import torch
from torch import Tensor
from torch.nn import functional

from bnproof.simulate.samplers.base import Measurements, chunks, normals
from bnproof.theory.claim import RandomTest
from bnproof.theory.training import backprop

CHUNK: Final = 500
IMAGES, INPUTS, OUTPUTS = 2, 3, 2
SHIFTS: Final = (-1, 0, 1)


class Convolutions(Measurements):
    """K convolutions: images (K, b, i, x, y), kernels (K, o, i, 3, 3), a loss of the output.

    The loss is ``sum(tanh(O) target)``, so that ``dL/dO`` depends on the output.
    """

    def __init__(self, images: Tensor, kernel: Tensor, target: Tensor) -> None:
        self.images, self.target = images, target
        self.kernel = kernel.detach().requires_grad_()

    @cached_property
    def output(self) -> Tensor:
        """``O`` (K, b, o, x, y) by PyTorch's convolution, with one group per problem."""
        count, number, _, *plane = self.images.shape
        grouped = self.images.transpose(0, 1).reshape(number, -1, *plane)
        out = functional.conv2d(grouped, self.kernel.flatten(0, 1), padding=1, groups=count)
        return out.reshape(number, count, -1, *plane).transpose(0, 1)

    @cached_property
    def gradients(self) -> tuple[Tensor, Tensor]:
        """Gradients at the kernel and at the output."""
        loss = (torch.tanh(self.output) * self.target).sum()
        at_kernel, at_output = torch.autograd.grad(loss, (self.kernel, self.output))
        return at_kernel, at_output

    def summed(self, sign: int, *, absolute: bool = False) -> Tensor:
        """``sum_bxy dL/dO I`` at each kernel entry, with I shifted by sign times (x', y')."""
        images, back = self.images, self.gradients[1]
        if absolute:
            images, back = images.abs(), back.abs()
        padded = functional.pad(images, (1, 1, 1, 1))
        rows, columns = images.shape[-2:]
        entries = [
            torch.einsum(
                "kboxy,kbixy->koi",
                back,
                padded[..., 1 + sign * u :, 1 + sign * v :][..., :rows, :columns],
            )
            for u in SHIFTS
            for v in SHIFTS
        ]
        return torch.stack(entries, -1).flatten(1)


Convolutions.VALUES = {
    backprop.kernel_gradient: lambda q: q.gradients[0].flatten(1),
    backprop.correlation: lambda q: q.summed(1),
    backprop.flipped: lambda q: q.summed(-1),
}
Convolutions.MAGNITUDES = {
    backprop.kernel_gradient: lambda q: q.summed(1, absolute=True),
    backprop.correlation: lambda q: q.summed(1, absolute=True),
    backprop.flipped: lambda q: q.summed(-1, absolute=True),
}


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Sides of the images."""
    del symbols
    return range(1, 13)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Convolutions]]:
    """Yield (image side, convolutions): `total` of each side, in chunks."""
    del domain
    for side, count, stream in chunks(spec.sizes, total, CHUNK, seed):
        normal = normals(stream, device)
        # The sides differ, so that swapping rows and columns would show.
        plane = (side, side + 1)
        yield (
            side,
            Convolutions(
                normal(count, IMAGES, INPUTS, *plane),
                normal(count, OUTPUTS, INPUTS, 3, 3) / 3,
                normal(count, IMAGES, OUTPUTS, *plane),
            ),
        )


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the convolutions."""
    del domain
    return {
        "image sides": [[side, side + 1] for side in spec.sizes],
        "images, input and output channels": [IMAGES, INPUTS, OUTPUTS],
        "padding": "zeros",
        "dtype": "float64",
    }
