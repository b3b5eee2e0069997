"""What an option means when it is given, and when it is left out."""

import math

import pytest
import torch
from torch import nn

from bnproof.empirical.data.images import stream
from bnproof.empirical.networks.norms import Noise, Normalisation, PowerNorm
from bnproof.empirical.networks.table import build


def made(family: str, **options) -> nn.Module:
    return build({"family": family, **options}, generator=stream(0, "test"))


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("norm", "power", "centred"),
    [
        ("l1", 1, False),
        ("l2", 2, False),
        ("linf", math.inf, False),
        ("l1-centred", 1, True),
        ("l2-centred", 2, True),
        ("linf-centred", math.inf, True),
    ],
)
def test_power_norms_are_what_their_names_say(norm: str, power: float, centred: bool) -> None:
    layer = Normalisation(norm).after(3)
    assert isinstance(layer, PowerNorm)
    assert (layer.power, layer.centred) == (power, centred)
    y = torch.randn(50, 3, generator=stream(1, "y")) + 4
    x = y - y.mean(0) if centred else y
    scale = x.abs().amax(0) if power == math.inf else (x.abs() ** power).mean(0) ** (1 / power)
    torch.testing.assert_close(layer(y), (y - y.mean(0)) / scale, atol=1e-4, rtol=1e-4)


def test_the_other_norms_are_what_their_names_say() -> None:
    kinds = {
        norm: [type(part) for part in Normalisation(norm).after(8, places=True).modules()]
        for norm in ("none", "batch", "layer", "group", "noisy", "noise")
    }
    assert kinds == {
        "none": [nn.Identity],
        "batch": [nn.BatchNorm2d],
        "layer": [nn.GroupNorm],
        "group": [nn.GroupNorm],
        "noisy": [nn.Sequential, nn.BatchNorm2d, Noise],
        "noise": [Noise],
    }
    assert isinstance(Normalisation("batch").after(8), nn.BatchNorm1d)
    assert Normalisation("layer").after(8).num_groups == 1
    assert Normalisation("group").after(8).num_groups > 1
    assert Normalisation("noise", "layer").after(8).of == "layer"
    assert Normalisation("noise").after(8).of == "place"
    shifts = {norm for norm in kinds if Normalisation(norm).shifts}
    assert shifts == {"batch", "layer", "group", "noisy"}


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        # 3x3 convolutions of 64 to 512 channels and two hidden layers of 512, two numbers a unit.
        ({"family": "vgg"}, 9_750_922 + 64 + 128 + 2 * 256 + 4 * 512 + 2 * 512),
        # He et al. (2015), table 6: 0.27 million.
        ({"family": "resnet", "depth": 20, "shortcut": "identity"}, 269_722),
        ({"family": "dense", "hidden": 2}, 3072 * 256 + 256 * 256 + 4 * 256 + 256 * 10 + 10),
        ({"family": "linear", "depth": 3}, 3 * 10 * 10 + 2 * 2 * 10),
    ],
    ids=lambda value: value["family"] if isinstance(value, dict) else "",
)
def test_a_network_of_default_options_has_its_size(network: dict, parameters: int) -> None:
    assert count(build(network, generator=stream(0, "test"))) == parameters


@pytest.mark.parametrize("family", ["vgg", "resnet", "dense"])
def test_the_number_of_classes_is_ten_unless_it_is_given(family: str) -> None:
    needed = {"vgg": {"width": 2}, "resnet": {"depth": 8}, "dense": {"hidden": 2, "width": 4}}
    x = torch.randn(3, 3, 32, 32, generator=stream(0, "x"))
    assert made(family, **needed[family])(x).shape == (3, 10)
    assert made(family, **needed[family], classes=7)(x).shape == (3, 7)
