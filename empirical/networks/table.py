"""The networks of the experiments, built from a description."""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any, get_args

import torch
from torch import Tensor

from bnproof.empirical.networks.dense import Dense, dense, linear
from bnproof.empirical.networks.initialisation import Initialisation
from bnproof.empirical.networks.layered import Network, Nonlinearity
from bnproof.empirical.networks.lsuv import scale_layers
from bnproof.empirical.networks.norms import Noise, NoiseOf, Norm, Normalisation, PowerNorm
from bnproof.empirical.networks.resnet import ResNet, Shortcut, resnet
from bnproof.empirical.networks.vgg import VGG, vgg
from bnproof.theory.common.errors import UserError, one_of

__all__ = [
    "FAMILIES",
    "VGG",
    "Dense",
    "Initialisation",
    "Network",
    "Noise",
    "NoiseOf",
    "Nonlinearity",
    "Norm",
    "Normalisation",
    "PowerNorm",
    "ResNet",
    "Shortcut",
    "build",
    "dense",
    "linear",
    "resnet",
    "scale_layers",
    "vgg",
]

FAMILIES: dict[str, Callable[..., Network]] = {
    "resnet": resnet,
    "vgg": vgg,
    "dense": dense,
    "linear": linear,
}


def build(
    network: Mapping[str, Any], *, generator: torch.Generator, inputs: Tensor | None = None
) -> Network:
    """Build a network from its description: its family and the arguments of that family.

    ``build({"family": "resnet", "depth": 20, "norm": "none"}, generator=generator)`` is
    ``resnet(20, norm="none", generator=generator)``.

    Parameters
    ----------
    network
        ``"family"``, one of `FAMILIES`, and arguments of that function other than `generator`. In
        addition, `init` may be ``"lsuv"``: orthogonal weights, scaled by `scale_layers`.
    generator
        A CPU generator for the weights.
    inputs
        For LSUV only: one standardised batch as in training, on the CPU; each layer's output has
        variance 1 on it.

    Raises
    ------
    UserError
        If the family or an argument is unknown or out of range, or LSUV is requested without
        `inputs`.
    """
    rest = dict(network)
    family = rest.pop("family", None)
    try:
        one_of("family", family, tuple(FAMILIES))
    except ValueError as error:
        raise UserError(f"network {error}") from None
    try:
        _check(rest, FAMILIES[family])
        lsuv = rest.get("init") == "lsuv"
        if lsuv:
            rest["init"] = "orthogonal"
            if "gain" in rest:
                raise ValueError("gain: init 'lsuv' sets the scale itself; leave gain out")
            if inputs is None:
                raise ValueError("init 'lsuv': needs a batch; give inputs, or another init")
        model = FAMILIES[family](**rest, generator=generator)
        if lsuv and inputs is not None:
            scale_layers(model, inputs)
    except ValueError as error:
        raise UserError(f"network {family}: {error}") from None
    return model


def _check(options: Mapping[str, Any], family: Callable[..., Network]) -> None:
    """Raise an error for unknown and for missing options of the family."""
    known = {name: p for name, p in signature(family).parameters.items() if name != "generator"}
    for name in options:
        one_of("option", name, tuple(known))
    for name, parameter in known.items():
        if parameter.default is Parameter.empty and name not in options:
            raise ValueError(f"{name} is missing: it must be given")
    if "init" in options:
        one_of("init", options["init"], (*get_args(Initialisation), "lsuv"))
