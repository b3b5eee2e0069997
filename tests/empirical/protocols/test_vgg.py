"""Variants of A18's protocol change what they name, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

import bnproof.empirical.experiments
from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.protocols.vgg import VARIANTS, vgg
from bnproof.empirical.runner import trial_config, trial_of
from bnproof.empirical.trial import look_up
from bnproof.theory.claim import Scale, Settings
from bnproof.theory.common.errors import UserError
from bnproof.theory.loading import load_folder

CLAIMS = {claim.id: claim for claim in load_folder(bnproof.empirical.experiments)}
CLAIM = CLAIMS["santurkar_fig1"]


def key(variant: str, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of a seed and of its training run."""
    settings = Settings(scale=Scale.LONG, variant=variant)
    trial = trial_of(CLAIM, settings, load("digits", limit=10), 0, root=tmp_path, runner=look_up)
    vgg(trial, "batch")
    (part,) = trial.missing.values()
    return trial_config(CLAIM, trial), part.run.config


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_the_key_of_its_runs_in_one_field(name: str, tmp_path: Path) -> None:
    seed, run = key(name, tmp_path)
    plain_seed, plain = key("", tmp_path)
    assert seed == plain_seed | {"variant": seed["variant"]}
    variant = VARIANTS[name]
    assert run == plain | variant.training | {"network": plain["network"] | variant.network}
    if name != "width-16":  # that of the scale: the runs are shared
        assert run != plain


def test_without_a_variant_there_is_no_weight_decay(tmp_path: Path) -> None:
    assert key("", tmp_path)[1]["decay"] == 0.0
    assert key("decay", tmp_path)[1]["decay"] == 4e-4


def test_an_unknown_variant_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no variant 'wide'; its variants are decay, width-8"):
        key("wide", tmp_path)


def test_every_experiment_on_this_network_has_them() -> None:
    with_them = {name for name, claim in CLAIMS.items() if experiment_of(claim).variants}
    on_it = {
        name
        for name, claim in CLAIMS.items()
        if "plain SGD" in experiment_of(claim).networks.values()
    }
    assert with_them == on_it
