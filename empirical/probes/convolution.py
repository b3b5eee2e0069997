"""Sums of the summands of a convolution's weight gradient (S3, equation (4) and Table 1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from empirical.models import ResNet
from empirical.probes.state import captured, undisturbed


@dataclass(frozen=True)
class Sums:
    """The two sizes that Table 1 compares, for one layer.

    With ``d = dL/dO_{b,o,x,y} I_{b,i,x+x',y+y'}``, equation (4), and means over (b, x, y):

    Attributes
    ----------
    a
        Mean over kernel entries (o, i, x', y') of the mean of ``|d|``.
    b
        Mean over kernel entries of ``|mean of d|``.
    """

    a: float
    b: float

    @property
    def ratio(self) -> float:
        """a/b, at least 1; equal to 1 where the summands of every entry have matching signs."""
        return self.a / self.b


def convolution_sums(
    model: ResNet,
    inputs: Tensor,
    labels: Tensor,
    layers: Sequence[int],
    signs: torch.Generator | None = None,
) -> dict[int, Sums]:
    """Measure `Sums` at some convolutions on one batch; the loss is the mean cross-entropy.

    The summands d are never held: ``|dL/dO| |I| = |dL/dO * I|``, so the sum of their absolute
    values is itself a convolution's weight gradient, that of the absolute values.  O is the
    output of the convolution, before any normalisation.

    Parameters
    ----------
    layers
        Numbers of convolutions, as `ResNet` counts them.
    signs
        A CPU generator: as a control, every entry of dL/dO is multiplied by an independent
        random sign.  That leaves `a` as it is and destroys any agreement of signs.

    Raises
    ------
    ValueError
        If one of `layers` is not a convolution of the model.
    """
    convolutions: dict[int, nn.Conv2d] = {}
    for number in layers:
        module = model.layer(number)
        if not isinstance(module, nn.Conv2d):
            raise ValueError(
                f"layer {number}: the linear layer; convolutions are 1 to {number - 1}"
            )
        convolutions[number] = module
    found: dict[int, Sums] = {}
    with undisturbed(model), torch.enable_grad(), captured(convolutions) as (given, outputs):
        # Inputs that require gradients give a graph even where all parameters are frozen.
        loss = functional.cross_entropy(model(inputs.detach().requires_grad_()), labels)
        gradients = torch.autograd.grad(loss, [outputs[number] for number in convolutions])
        for (number, module), gradient in zip(convolutions.items(), gradients, strict=True):
            if signs is not None:
                flips = torch.randint(0, 2, gradient.shape, generator=signs) * 2 - 1
                gradient = gradient * flips.to(gradient)
            found[number] = _sums(module, given[number].detach(), gradient)
    return found


def _sums(module: nn.Conv2d, given: Tensor, gradient: Tensor) -> Sums:
    summands = gradient.numel() // gradient.shape[1]  # of each kernel entry: (b, x, y)

    def entries(left: Tensor, right: Tensor) -> Tensor:
        weights: Tensor = conv2d_weight(  # type: ignore[no-untyped-call]
            left, module.weight.shape, right, stride=module.stride, padding=module.padding
        )
        return weights

    absolute = entries(given.abs(), gradient.abs())
    signed = entries(given, gradient).abs()
    return Sums(
        a=absolute.double().mean().item() / summands, b=signed.double().mean().item() / summands
    )
