"""What the experiments on folklore and on random networks compute by themselves."""

import pytest
import torch

from empirical.experiments.blog_initialisation import SMALLEST, spread
from empirical.experiments.daneshmand_rank import soft_rank


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
