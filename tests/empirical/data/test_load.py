"""Images by name, standardisation and batches."""

import sys
import tarfile
from pathlib import Path

import pytest
import torch

from bnproof.empirical.data import cifar10
from bnproof.empirical.data.load import DataError, Images, Split, batch, load, locate
from bnproof.empirical.data.remote import VARIABLE
from bnproof.empirical.training.config import TrainingConfig


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


# --- CIFAR-10 by name -----------------------------------------------------------------------------


@pytest.fixture
def place(official, tmp_path, monkeypatch) -> Path:
    """The folder of the name `cifar10`, not made yet; the working directory is empty."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "data" / "cifar10"


@pytest.fixture
def offline(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)


def test_cifar10_is_downloaded_by_name(server, place) -> None:
    pytest.importorskip("pooch", reason="pooch is not installed: extra `data`")
    assert locate("cifar10") == str(place)
    images = load("cifar10")
    assert (images.name, len(images.train), len(images.test)) == ("CIFAR-10", 200, 40)
    assert images is load(Path("cifar10")) is load(place)
    assert len(server.seen) == 1


@pytest.mark.parametrize("form", ["archive", "extracted"])
def test_cifar10_in_the_cache_needs_no_network(server, place, offline, form) -> None:
    place.mkdir(parents=True)
    archive = place / cifar10.ARCHIVE
    archive.write_bytes(server.content)
    if form == "extracted":
        with tarfile.open(archive) as tar:
            tar.extractall(place, filter="data")
        archive.unlink()
    assert len(load("cifar10").train) == 200
    assert server.seen == []


def test_parquet_files_in_the_cache_need_no_network(server, place, offline) -> None:
    place.mkdir(parents=True)
    for part in ("train", "test"):
        (place / f"{part}.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"train\.parquet: truncated or corrupt|needs pyarrow"):
        load("cifar10")
    assert server.seen == []


def test_what_is_in_the_cache_is_checked(official, place, offline) -> None:
    place.mkdir(parents=True)
    (place / cifar10.ARCHIVE).write_bytes(b"half")
    with pytest.raises(DataError, match=f"has 4 bytes; expected {official.size:,} bytes"):
        load("cifar10")


def test_a_folder_of_that_name_comes_first(server, place, offline) -> None:
    here = Path("cifar10")
    here.mkdir()
    (here / cifar10.ARCHIVE).write_bytes(server.content)
    assert locate("cifar10") == locate(here) == locate("./cifar10") == str(here.absolute())
    assert len(load("cifar10").train) == 200
    assert not place.exists()


@pytest.mark.parametrize("kind", ["empty folder", "file", "broken link"])
def test_anything_of_that_name_comes_first(place, kind) -> None:
    """What a user put there is not ignored because it is not what it should be."""
    here = Path("cifar10")
    if kind == "empty folder":
        here.mkdir()
    elif kind == "file":
        here.touch()
    else:
        here.symlink_to("nowhere")
    with pytest.raises(DataError, match=r"holds no CIFAR-10|no such folder"):
        load("cifar10")


def test_a_path_with_that_name_is_not_the_name(place) -> None:
    assert locate("./cifar10") == str(Path("cifar10").absolute())
    with pytest.raises(DataError, match="no such folder; name 'photos', 'digits', 'cifar10' or"):
        load("./cifar10")


@pytest.mark.parametrize("name", ["photos", "digits"])
def test_embedded_names_are_not_paths(name) -> None:
    assert locate(name) == locate(Path(name)) == name
    assert locate(f"./{name}") == str(Path(name).absolute())
    assert locate(None) == "photos"


def test_runs_on_cifar10_by_name_are_those_on_the_folder(server, place, tmp_path) -> None:
    elsewhere = tmp_path / "mine"
    for folder in (place, elsewhere):
        folder.mkdir(parents=True)
        (folder / cifar10.ARCHIVE).write_bytes(server.content)
    named, given = load("cifar10", limit=50), load(elsewhere, limit=50)
    assert named is not given
    assert named.config == given.config
    training = TrainingConfig(network={"family": "vgg"}, rate=0.1, steps=1, batch=2)
    assert training.config(named, "cpu") == training.config(given, "cpu")


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
