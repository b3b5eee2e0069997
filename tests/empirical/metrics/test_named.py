"""Modules by name: what is recorded of them, and outputs that have no units."""

import pytest
import torch
from torch import Tensor, nn

from bnproof.empirical.metrics.named import by_unit, layers_of


def test_rows_are_units_and_columns_samples_and_places() -> None:
    output = torch.arange(24.0).reshape(2, 3, 4).requires_grad_()
    rows = by_unit(output, "a")
    assert rows.shape == (3, 8)
    assert rows[1].tolist() == [4, 5, 6, 7, 16, 17, 18, 19]
    assert not rows.requires_grad
    rows.zero_()
    assert output.sum() == 276  # a copy


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (torch.zeros(5), r"\(5,\)"),
        (torch.zeros(()), r"\(\)"),
        ((torch.zeros(2, 3), None), "tuple"),
        ([torch.zeros(2, 3)], "list"),
        (None, "NoneType"),
    ],
    ids=["a row", "a number", "tuple", "list", "nothing"],
)
def test_an_output_without_units_is_named(output: object, said: str) -> None:
    with pytest.raises(ValueError, match=rf"layer 'a': its output is {said}; must be"):
        by_unit(output, "a")


def test_a_module_of_several_outputs_is_named_in_a_pass() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    model = nn.Sequential(Two())
    assert list(layers_of(model, ["0"])) == ["0"]


def test_the_model_itself_is_no_layer_of_it() -> None:
    with pytest.raises(ValueError, match=r"no layer ''.*known: 0$"):
        layers_of(nn.Sequential(nn.ReLU()), [""])
