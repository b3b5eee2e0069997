"""Checks of arguments: what they refuse, and that the line names value, range and mend."""

from fractions import Fraction

import numpy as np
import pytest

from bnproof.theory.common.errors import (
    LARGEST_SEED,
    UserError,
    one_of,
    positive,
    valid_seed,
    whole,
)


@pytest.mark.parametrize("seed", [0, 7, LARGEST_SEED, np.int64(3)])
def test_seeds_that_numpy_takes(seed: int) -> None:
    valid_seed("seed", seed)
    np.random.default_rng(seed)
    np.random.RandomState(seed)


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1, 10**40, 10**400, 1.0, True, "3", None])
def test_seeds_that_are_none(seed: object) -> None:
    with pytest.raises(
        UserError, match=r"--seed .*: must be an integer, 0 to 4294967295"
    ) as caught:
        valid_seed("--seed", seed)
    assert len(str(caught.value)) < 80


def test_a_word_that_is_not_allowed_names_the_nearest() -> None:
    one_of("norm", "batch", ["batch", "none"])
    with pytest.raises(UserError, match="norm 'bacth': must be one of batch, none; the nearest is"):
        one_of("norm", "bacth", ["batch", "none"])


@pytest.mark.parametrize("value", [1, 1.5, Fraction(1, 3), np.float64(2.0)])
def test_positive_numbers(value: object) -> None:
    positive("rate", value)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), True, "1", 1j])
def test_what_is_not_positive(value: object) -> None:
    with pytest.raises(ValueError, match="rate"):
        positive("rate", value)


@pytest.mark.parametrize("value", [1, 2.0, False, "2"])
def test_what_is_no_whole_number_of_at_least_2(value: object) -> None:
    whole("depth", 2, 2)
    with pytest.raises(ValueError, match=r"depth .*: must be an integer, at least 2"):
        whole("depth", value, 2)
