"""What the experiments on folklore and on random networks compute by themselves."""

import numpy as np
import pytest
import torch

from bnproof.empirical.experiments.initialisation.blog_initialisation import SMALLEST, spread
from bnproof.empirical.experiments.initialisation.daneshmand_rank import soft_rank
from bnproof.empirical.experiments.normalisers.blog_regulariser import at_levels, curve
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.trial import Trained


def run(losses, train, test):
    rows = [
        {"loss": loss, "train accuracy": a, "test accuracy": b}
        for loss, a, b in zip(losses, train, test, strict=True)
    ]
    training_config = TrainingConfig(network={}, steps=1, rate=0.1)
    return Trained(
        training_config=training_config, data="toys", diverged=None, curve=rows, seconds=0.0
    )


def test_a_curve_puts_losses_where_accuracies_are():
    found = curve(run([None, 3.0, 2.0, 1.0], [0.1, 0.2, 0.4, 0.9], [0.1, 0.1, 0.2, 0.3]))
    assert found["loss"] == pytest.approx([2.5, 1.5])
    assert found["gap"] == pytest.approx([0.1, 0.2])


def test_gaps_are_read_off_at_equal_loss():
    found = {"loss": np.array([4.0, 1.0, 2.0, 0.25]), "gap": np.array([0.0, 0.2, 9.0, 0.4])}
    levels = np.array([4.0, 2.0, 1.0, 0.5, 0.25])
    # The loss of 2 after 1 is no progress and is passed over.
    assert at_levels(found, "gap", levels) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_soft_rank_of_equal_singular_values_is_the_rank(rank):
    draws = torch.Generator().manual_seed(rank)
    left, _ = torch.linalg.qr(torch.randn(9, rank, generator=draws, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(7, rank, generator=draws, dtype=torch.float64))
    for factor in (1.0, 1e200, 1e-200):
        assert soft_rank(factor * left @ right.T) == pytest.approx(rank)


def test_soft_rank_is_at_most_the_rank_and_0_for_nothing():
    assert soft_rank(torch.zeros(3, 4)) == 0
    assert 1 < soft_rank(torch.diag(torch.tensor([3.0, 1.0, 0.0]))) < 2


def test_a_spread_below_the_noise_is_the_noise():
    assert spread([0.4, 0.1, 0.3]) == pytest.approx(0.3)
    assert spread([0.4, 0.4001]) == SMALLEST
