"""Embedded images, standardisation and batches."""

import pytest
import torch

from bnproof.empirical.data.load import DataError, Images, Split, batch, load


def test_photos_are_balanced_colour_patches():
    images = load(None)
    assert images is load("photos")
    assert images.name == "photos"
    for split, each in ((images.train, 387), (images.test, 99)):
        assert split.pixels.dtype == torch.uint8
        assert split.pixels.shape == (10 * each, 3, 32, 32)
        assert split.labels.bincount().tolist() == [each] * 10
    assert (images.train.pixels[:, 0] != images.train.pixels[:, 2]).any()


def test_photos_split_shares_no_row_of_pixels_of_a_detailed_photograph():
    # Chelsea's fur never repeats: a shared row of 32 pixels would betray overlapping cells.
    images = load("photos")

    def rows(split: Split) -> set[bytes]:
        patches = split.pixels[split.labels == 1].permute(0, 2, 3, 1).numpy()
        return {row.tobytes() for patch in patches for row in patch}

    assert not rows(images.train) & rows(images.test)
    assert len(rows(images.train)) == 43 * 3 * 48  # cells, columns of patches, rows of a cell


def test_digits_have_three_equal_channels():
    images = load("digits")
    assert (len(images.train), len(images.test)) == (1437, 360)
    assert torch.equal(images.train.pixels[:, 0], images.train.pixels[:, 1])
    assert torch.equal(images.train.pixels[:, 0], images.train.pixels[:, 2])
    assert images.train.pixels.max() == 255
    assert set(images.train.labels.tolist()) == set(range(10))


def test_limit_keeps_a_fixed_mixture():
    few, all_images = load("photos", limit=50), load("photos")
    assert (len(few.train), len(few.test)) == (50, 50)
    assert len(set(few.train.labels.tolist())) > 5  # sorted by class in the source
    assert len(load("photos", limit=10**6).train) == len(all_images.train)
    with pytest.raises(DataError, match="at least 1"):
        load("photos", limit=0)


# --- standardisation and batches ------------------------------------------------------------------


def test_standardised_training_set_has_mean_0_and_deviation_1():
    images = load("photos")
    pixels = images.standardise(images.train.pixels).double()
    torch.testing.assert_close(
        pixels.mean(dim=(0, 2, 3)), torch.zeros(3).double(), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        pixels.std(dim=(0, 2, 3), correction=0), torch.ones(3).double(), atol=1e-6, rtol=0
    )


def test_batch_is_deterministic_and_of_different_images():
    images = load("photos")
    before = torch.get_rng_state()
    inputs, labels = batch(images, 64, seed=3)
    again, _ = batch(images, 64, seed=3)
    other, _ = batch(images, 64, seed=4)
    assert torch.equal(inputs, again)
    assert not torch.equal(inputs, other)
    assert inputs.shape == (64, 3, 32, 32)
    assert (inputs.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert torch.equal(before, torch.get_rng_state())


def test_batch_of_the_whole_set_holds_every_image_once():
    pixels = torch.arange(12, dtype=torch.uint8)[:, None, None, None].expand(12, 3, 32, 32)
    split = Split(pixels.contiguous(), torch.arange(12) % 10)
    inputs, _ = batch(Images("twelve", split, split), 12, seed=0)
    assert len(inputs[:, 0, 0, 0].unique()) == 12


@pytest.mark.parametrize("size", [0, -1, 3871])
def test_batch_that_cannot_be_drawn(size):
    with pytest.raises(DataError, match="3870 training images"):
        batch(load("photos"), size, seed=0)


@pytest.mark.parametrize("name", ["photos", "digits"])
def test_the_first_images_are_of_all_classes(name):
    """Accuracies are those of the first images."""
    images = load(name)
    for split in (images.train, images.test):
        assert len(set(split.labels[:99].tolist())) == 10
    assert len(load("photos").train) == 3870
