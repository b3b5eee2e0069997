"""Estimates follow from the table of costs."""

from dataclasses import replace

import pytest

from bnproof.empirical.training import cost
from bnproof.empirical.training.config import TrainingConfig

CONFIG = TrainingConfig(
    network={"family": "vgg", "norm": "batch", "width": 16},
    steps=1_000,
    rate=0.1,
    every=1_000,
    tested=1,
)


def test_time_is_images_over_speed() -> None:
    found = (
        cost.seconds(CONFIG)
        * cost.images_a_second(CONFIG.network, CONFIG.batch, "float32")
        / CONFIG.batch
    )
    assert found == pytest.approx(1_000, rel=1e-3)
    assert cost.seconds(replace(CONFIG, steps=2_000)) == pytest.approx(
        2 * cost.seconds(CONFIG), 0.01
    )


def test_initialisation_and_gain_cost_nothing() -> None:
    other = {**CONFIG.network, "init": "kaiming", "gain": 0.1}
    assert cost.seconds(replace(CONFIG, network=other)) == cost.seconds(CONFIG)


@pytest.mark.parametrize("name", ["landscape", "sharpness", "shift", "earth mover", "theorems"])
def test_metrics_cost_as_often_as_they_are_measured(name: str) -> None:
    often = replace(CONFIG, every=50, metrics=(name,))
    seldom = replace(CONFIG, every=500, metrics=(name,))
    assert cost.seconds(often) > cost.seconds(seldom) > cost.seconds(CONFIG)


def test_sharpness_costs_only_where_it_is_measured() -> None:
    odd = replace(CONFIG, every=99, metrics=("sharpness",))
    plain = replace(odd, metrics=())
    looks = [step for step in (*range(0, 1_000, 99), 1_000) if step % 100 == 0]
    update = CONFIG.batch / cost.images_a_second(CONFIG.network, CONFIG.batch, "float32")
    each = cost.table()["metrics"]["vgg"]["sharpness"]
    expected = len(looks) * each * update
    assert cost.seconds(odd) - cost.seconds(plain) == pytest.approx(expected)


def test_a_network_that_was_not_measured_costs_as_much_as_similar_ones() -> None:
    unusual = {**CONFIG.network, "norm": "group"}
    near = cost.images_a_second(CONFIG.network, CONFIG.batch, "float32")
    assert near / 3 < cost.images_a_second(unusual, CONFIG.batch, "float32") < near * 3
    assert cost.images_a_second({"family": "mine"}, 128, "float32") > 0


def test_the_table_names_the_machine_and_the_date() -> None:
    assert {"date", "commit", "processor", "torch", "threads"} <= set(cost.table())


def test_small_batches_cost_more_an_image() -> None:
    rates = [cost.images_a_second(CONFIG.network, batch, "float32") for batch in (2, 8, 32, 128)]
    assert rates == sorted(rates)
    measured = cost.table()["networks"][cost.key(CONFIG.network)]["float32"]
    assert rates[1] == pytest.approx(measured["8"])
    assert rates[3] == pytest.approx(measured["128"])
