"""What an experiment is told to be: at the setting of its source, or a miniature."""

from typing import Any

import pytest

from bnproof.catalogue import experiments
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.setting import Setting, depths, widths
from bnproof.results import published
from bnproof.theory.claim import Claim, Scale

ABOUT = {"scale": "quick", "data set": "CIFAR-10", "precision": "bfloat16", "device": "cpu"}


@pytest.mark.parametrize(
    ("setting", "about", "trains", "met"),
    [
        (Setting(), {}, False, True),
        (Setting(), {"scale": "smoke"}, False, False),
        (Setting(), {"data set": "CIFAR-10 (JPEG-recompressed)"}, False, True),
        (Setting(), {"data set": "photos"}, False, False),
        (Setting(), {}, True, False),
        (Setting(), {"scale": "long"}, True, False),
        (Setting(), {"scale": "paper"}, True, True),
        (Setting(), {"scale": "paper", "data set": "digits"}, True, False),
        (Setting(scales=frozenset({Scale.QUICK})), {}, True, True),
        (Setting(scales=frozenset()), {"scale": "paper"}, False, False),
        (Setting(), {"scale": "paper", "variant": "another width"}, True, False),
    ],
)
def test_the_setting_of_the_source(
    setting: Setting, about: dict[str, Any], trains: bool, met: bool
) -> None:
    assert setting.met(ABOUT | about, trains=trains, own_data=False) is met


def test_data_of_the_experiment_itself_are_those_of_the_source() -> None:
    about = ABOUT | {"scale": "paper", "data set": "a Gaussian map"}
    assert Setting().met(about, trains=True, own_data=True)


def test_a_reader_understands_the_setting() -> None:
    narrow = Setting(network=widths(64, {Scale.QUICK: 16}, "VGG"), updates=15_000)
    assert narrow.words(ABOUT, updates=300) == (
        "VGG at a quarter of the width, 300 of 15,000 updates, bfloat16, CPU"
    )
    changed = narrow.words(ABOUT | {"variant": "weight decay"}, updates=15_000)
    assert changed == (
        "VGG at a quarter of the width, changed: weight decay, 15,000 updates, bfloat16, CPU"
    )
    shallow = Setting(network=depths(110, {Scale.QUICK: 20}))
    assert shallow.words(ABOUT | {"device": "cuda", "data set": "photos"}, updates=400) == (
        "ResNet-20 for ResNet-110, 400 updates, photos, bfloat16, GPU"
    )
    older = ABOUT | {"architecture": "a net", "precision": "not recorded"}
    assert Setting().words(older, updates=0) == "a net, CPU"
    own = ABOUT | {"architecture": "a net, float64", "precision": "float32"}
    assert Setting().words(own, updates=0) == "a net, float64, CPU"
    assert widths(64, {Scale.QUICK: 8}, "VGG") == {Scale.QUICK: "VGG at 1/8 of the width"}


@pytest.mark.parametrize("claim", experiments(), ids=lambda claim: claim.id)
def test_every_published_record_has_its_setting_beside_it(claim: Claim) -> None:
    evidence = published.evidence(claim)
    assert evidence is not None
    assert len(evidence.setting.split(", ")) > 1
    about = evidence.provenance
    assert evidence.miniature == experiment_of(claim).is_miniature(about)
    if experiment_of(claim).trains and about["scale"] == "quick":
        assert evidence.miniature or experiment_of(claim).data
