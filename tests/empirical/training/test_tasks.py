"""Batches and evaluations: which images a step gets, how they are cropped, what is counted."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bnproof.empirical.data.images import SIDE, Images, Split, stream
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.tasks import LinearMap, task

RECIPE = TrainingConfig(network={"family": "resnet", "depth": 8}, steps=1, rate=0.1, batch=4)
PAD = 4


def plain(count: int) -> Tensor:
    """Images of one grey each, by which they are told apart."""
    return (20 * torch.arange(count, dtype=torch.uint8))[:, None, None, None].expand(-1, 3, 32, 32)


def told_apart(images: Images) -> Tensor:
    """What `evaluate` wants of a network: here the grey of each image, as the class."""
    mean, deviation = images.moments

    def forward(inputs: Tensor) -> Tensor:
        grey = ((inputs * deviation + mean) * 255 / 20).mean((1, 2, 3)).round().long()
        return torch.nn.functional.one_hot(grey, 10).float()

    return forward


def greys(test_labels: Tensor, train_labels: Tensor) -> Images:
    train = Split(plain(len(train_labels)), train_labels)
    return Images("greys", train, Split(plain(len(test_labels)), test_labels))


@pytest.mark.parametrize("right", ["train", "test"])
def test_each_accuracy_is_that_of_its_own_labels(right: str) -> None:
    """Both sets hold the same images, with labels that contradict each other."""
    labels = {name: torch.arange(10) if name == right else 9 - torch.arange(10) for name in NAMES}
    images = greys(labels["test"], labels["train"])
    found = task(RECIPE, images, "cpu").evaluate(told_apart(images))
    assert found == {f"{name} accuracy": float(name == right) for name in NAMES}


NAMES = ("train", "test")


@pytest.mark.parametrize(
    ("tested", "test_size", "counted"), [(3, 6, 3), (6, 6, 6), (10_000, 6, 6), (10_000, 10, 10)]
)
def test_the_first_images_are_counted_as_many_as_asked_for_or_there_are(
    tested: int, test_size: int, counted: int
) -> None:
    """The network is right on the first two images only."""
    labels = torch.cat([torch.arange(2), torch.zeros(8, dtype=torch.int64)])
    images = greys(labels[:test_size], labels)
    found = task(replace(RECIPE, tested=tested), images, "cpu").evaluate(told_apart(images))
    assert found == pytest.approx({f"{name} accuracy": 2 / counted for name in NAMES})


def test_more_images_than_a_batch_holds_are_counted_once_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bnproof.empirical.training.tasks.TEST_BATCH", 3)
    images = greys(torch.arange(10), torch.arange(10))
    forward, sizes = told_apart(images), []

    def counting(inputs: Tensor) -> Tensor:
        sizes.append(len(inputs))
        return forward(inputs)

    found = task(RECIPE, images, "cpu").evaluate(counting)
    assert found == {"train accuracy": 1.0, "test accuracy": 1.0}
    assert sizes == [3, 3, 3, 1] * 2


def test_an_epoch_is_as_many_whole_batches_as_there_are() -> None:
    images = greys(torch.arange(2), torch.arange(10))
    batches = task(RECIPE, images, "cpu")
    assert batches.epoch_steps == 2
    first, second, third = (batches.batch(step)[1].tolist() for step in range(3))
    assert not set(first) & set(second)
    assert set(third) != set(first) or third != first
    assert batches.batch(0)[1].tolist() == first  # and back again
    other = task(replace(RECIPE, seed=1), images, "cpu")
    assert [other.batch(step)[1].tolist() for step in range(2)] != [first, second]


@pytest.fixture(scope="module")
def one() -> Images:
    """A single image without any symmetry."""
    pixels = torch.randint(0, 256, (1, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(5))
    split = Split(pixels.to(torch.uint8), torch.tensor([3]))
    return Images("one", split, split)


def place(image: Tensor, crop: Tensor) -> tuple[int, int, bool]:
    """Where in the padded image the crop begins, and whether it is mirrored."""
    whole = torch.nn.functional.pad(image, (PAD,) * 4)
    (found,) = (
        (y, x, mirror)
        for y in range(2 * PAD + 1)
        for x in range(2 * PAD + 1)
        for mirror in (False, True)
        if torch.allclose(
            whole[:, y : y + SIDE, x : x + SIDE].flip([2] if mirror else []), crop, atol=1e-5
        )
    )
    return found


def test_crops_and_reflections_vary_from_step_to_step(one: Images) -> None:
    """All nine places along each axis, and both reflections, occur; a step is always the same."""
    training_config = replace(RECIPE, batch=1, augment=True)
    image = one.standardise(one.train.pixels)[0]
    batches = task(training_config, one, "cpu")
    crops = [batches.batch(step)[0][0] for step in range(60)]
    ys, xs, mirrors = zip(*(place(image, crop) for crop in crops), strict=True)
    assert set(ys) == set(xs) == set(range(2 * PAD + 1))
    assert 15 < sum(mirrors) < 45
    assert torch.equal(task(training_config, one, "cpu").batch(59)[0][0], crops[59])
    other = task(replace(training_config, seed=1), one, "cpu")
    assert not all(torch.equal(other.batch(step)[0][0], crops[step]) for step in range(3))


def test_without_augmentation_every_step_has_the_image_itself(one: Images) -> None:
    batches = task(replace(RECIPE, batch=1), one, "cpu")
    for step in range(3):
        inputs, labels = batches.batch(step)
        torch.testing.assert_close(inputs, one.standardise(one.train.pixels))
        assert labels.tolist() == [3]


def test_a_linear_map_is_the_same_for_one_seed_and_has_its_loss_by_definition() -> None:
    training_config = replace(RECIPE, network={"family": "linear", "depth": 2, "width": 3})
    data = LinearMap(samples=5, width=3)
    first, again = (task(training_config, data, "cpu") for _ in range(2))
    inputs, targets = first.batch(0)
    assert inputs.shape == targets.shape == (5, 3)
    assert torch.equal(again.batch(7)[0], inputs)
    assert not torch.equal(task(replace(training_config, seed=1), data, "cpu").batch(0)[1], targets)
    matrix = torch.linalg.lstsq(inputs, targets).solution
    torch.testing.assert_close(inputs @ matrix, targets, atol=1e-4, rtol=1e-4)
    drawn = torch.randn(5, 3, generator=stream(0, "linear map"))
    assert torch.equal(inputs, drawn)
    outputs = targets + torch.tensor([1.0, 2.0, 0.0])
    assert first.loss(outputs, targets).item() == pytest.approx(5.0, rel=1e-5)
    assert first.evaluate(lambda x: x @ matrix)["evaluated loss"] < 1e-6
