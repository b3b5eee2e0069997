"""The weight gradient of a convolution (S3, section 4.1) and sums of its terms (Table 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from bnproof.empirical.networks.resnet import ResNet
from bnproof.empirical.networks.undisturbed import beginning, captured, frozen, undisturbed

Signs = torch.Generator | Literal["positive"] | None
Outputs = Mapping[int, tuple[nn.Conv2d, Tensor, Tensor]]


@dataclass(frozen=True)
class Sums:
    """The two quantities that Table 1 compares, for one layer.

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
        """a/b, at least 1; equal to 1 if the terms of every entry have the same sign."""
        return self.a / self.b


def convolution_sums(
    model: ResNet,
    inputs: Tensor,
    labels: Tensor,
    layers: Sequence[int],
    signs: Signs = None,
) -> dict[int, Sums]:
    """Measure `Sums` at some convolutions on one batch; the loss is the mean cross-entropy.

    The terms d are never stored: ``|dL/dO| |I| = |dL/dO * I|``, so the sum of their absolute
    values is itself a convolution's weight gradient, that of the absolute values.  O is the
    output of the convolution, before any normalisation.

    Parameters
    ----------
    layers
        Numbers of convolutions, as `ResNet` counts them.
    signs
        As for `sums_at`.

    Raises
    ------
    ValueError
        If one of `layers` is not a convolution of the model.
    """
    return sums_at(at_outputs(model, inputs, labels, layers), signs)


def sums_at(outputs: Outputs, signs: Signs = None) -> dict[int, Sums]:
    """As `convolution_sums`, given the result of `at_outputs`.

    Parameters
    ----------
    signs
        As a control, other signs of the entries of dL/dO, which leave `a` unchanged: independent
        random ones from a CPU generator, which destroys any agreement, or all positive.
    """
    sums: dict[int, Sums] = {}
    for number, (module, given, gradient) in outputs.items():
        if signs == "positive":
            gradient = gradient.abs()
        elif signs is not None:
            flips = torch.randint(0, 2, gradient.shape, generator=signs) * 2 - 1
            gradient = gradient * flips.to(gradient)
        sums[number] = _sums(module, given, gradient)
    return sums


def _sums(module: nn.Conv2d, given: Tensor, gradient: Tensor) -> Sums:
    summands = gradient.numel() // gradient.shape[1]  # of each kernel entry: (b, x, y)

    absolute = _entries(module, given.abs(), gradient.abs())
    signed = _entries(module, given, gradient).abs()
    return Sums(
        a=absolute.double().mean().item() / summands, b=signed.double().mean().item() / summands
    )


@dataclass(frozen=True, eq=False)
class Kernel:
    """The gradient of one convolution, and the means of its input; float64 on the CPU.

    Attributes
    ----------
    gradient
        dL/dK of shape (o, i, x', y'), equation (4).
    given
        Means over (b, x, y) of the input channels, of shape (i,).
    centred
        The same gradient if these means are first subtracted from the input.
    """

    gradient: Tensor
    given: Tensor
    centred: Tensor

    @property
    def sizes(self) -> Tensor:
        """Sum over (x', y') of ``|dL/dK|``: the matrix M of S3, section 4.1, transposed: (o, i)."""
        return self.gradient.abs().sum(dim=(2, 3))


def kernel_gradients(
    model: ResNet, inputs: Tensor, labels: Tensor, layers: Sequence[int]
) -> dict[int, Kernel]:
    """Measure `Kernel` at some convolutions on one batch; the loss is the mean cross-entropy.

    Parameters
    ----------
    layers
        Numbers of convolutions, as `ResNet` counts them.

    Raises
    ------
    ValueError
        If one of `layers` is not a convolution of the model.
    """
    kernels: dict[int, Kernel] = {}
    for number, (module, given, gradient) in at_outputs(model, inputs, labels, layers).items():
        means = given.double().mean(dim=(0, 2, 3))
        varying = given - means[:, None, None].to(given)
        kernels[number] = Kernel(
            gradient=_entries(module, given, gradient).double().cpu(),
            given=means.cpu(),
            centred=_entries(module, varying, gradient).double().cpu(),
        )
    return kernels


def at_outputs(model: ResNet, inputs: Tensor, labels: Tensor, layers: Sequence[int]) -> Outputs:
    """Each convolution with its input and the gradient with respect to its output.

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
    first = convolutions[min(convolutions)]
    with undisturbed(model), frozen(model), torch.enable_grad():
        with beginning(first), captured(convolutions) as (given, outputs):
            loss = functional.cross_entropy(model(inputs.detach()), labels)
        gradients = torch.autograd.grad(loss, [outputs[number] for number in convolutions])
    return {
        number: (module, given[number].detach(), gradient)
        for (number, module), gradient in zip(convolutions.items(), gradients, strict=True)
    }


def _entries(module: nn.Conv2d, given: Tensor, gradient: Tensor) -> Tensor:
    """Equation (4), summed over (b, x, y): (o, i, x', y')."""
    weights: Tensor = conv2d_weight(  # type: ignore[no-untyped-call]
        given, module.weight.shape, gradient, stride=module.stride, padding=module.padding
    )
    return weights
