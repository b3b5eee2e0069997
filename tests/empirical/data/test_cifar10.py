"""CIFAR-10 from files: what is read, and what is refused with one clear line."""

import contextlib
import gzip
import io
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bnproof.empirical.data import cifar10
from bnproof.empirical.data.load import DataError, load

REAL = Path(__file__).parents[3] / "../shared/cifar10"


def records(count: int, seed: int = 0, label: int | None = None) -> bytes:
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, 256, size=(count, cifar10.RECORD), dtype=np.uint8)
    rows[:, 0] = generator.integers(0, 10, size=count) if label is None else label
    return rows.tobytes()


FILES = {
    name: records(4, seed) for seed, name in enumerate((*cifar10.TRAIN_FILES, *cifar10.TEST_FILES))
}


def archive(path: Path, files: dict[str, bytes], folder: str = cifar10.FOLDER) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}" if folder else name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def extracted(path: Path, files: dict[str, bytes]) -> Path:
    folder = path / cifar10.FOLDER
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return path


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def parquet(path: Path, images: list[bytes | None], labels: list[int | None]) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    column = [None if image is None else {"bytes": image, "path": "1.png"} for image in images]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"img": pa.array(column, kind), "label": pa.array(labels, pa.int64())})
    pq.write_table(table, path)


def refused(path: Path | str, *words: str) -> None:
    """The message is one line that holds every one of `words` and the path."""
    with pytest.raises(DataError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), *words):
        assert word in message


# --- the binary version ---------------------------------------------------------------------------


def test_archive_and_extracted_folder_give_the_same_pixels(tmp_path):
    packed, unpacked = tmp_path / "packed", extracted(tmp_path / "unpacked", FILES)
    packed.mkdir()
    archive(packed / cifar10.ARCHIVE, FILES)
    before = sorted(packed.rglob("*"))
    sets = [
        load(packed),
        load(packed / cifar10.ARCHIVE),
        load(unpacked),
        load(str(unpacked / cifar10.FOLDER)),
    ]
    assert sorted(packed.rglob("*")) == before  # nothing is extracted
    for images in sets:
        assert images.name == "CIFAR-10"
        assert (len(images.train), len(images.test)) == (20, 4)
        assert torch.equal(images.train.pixels, sets[0].train.pixels)
        assert torch.equal(images.test.labels, sets[0].test.labels)
    second = np.frombuffer(FILES["data_batch_1.bin"], np.uint8)[cifar10.RECORD :]
    assert sets[0].train.labels[1] == second[0]
    assert sets[0].train.pixels[1, 2, 31, 30] == second[1 + 2 * 1024 + 31 * 32 + 30]


def test_limit_picks_rows_of_the_binary_version(tmp_path):
    few = load(extracted(tmp_path, FILES), limit=3)
    everything = load(tmp_path).train.pixels
    assert len(few.train) == 3
    assert all((everything == image).flatten(1).all(dim=1).any() for image in few.train.pixels)


def test_missing_folder():
    refused("/no/such/folder", "no such folder", "digits")


def test_folder_without_data(tmp_path):
    refused(tmp_path, "no CIFAR-10", cifar10.ARCHIVE, "parquet")


def test_python_version_is_not_unpickled(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    refused(tmp_path, "pickles", cifar10.ARCHIVE)


def test_missing_file(tmp_path):
    files = {name: content for name, content in FILES.items() if name != "data_batch_3.bin"}
    refused(extracted(tmp_path / "a", files), "data_batch_3.bin", "cannot be read")
    refused(archive(tmp_path / "b.tar.gz", files), "data_batch_3.bin")


@pytest.mark.parametrize("content", [b"", FILES["test_batch.bin"][:-1], b"x"])
def test_wrong_record_size(tmp_path, content):
    files = FILES | {"data_batch_2.bin": content}
    refused(extracted(tmp_path / "a", files), "3073", "data_batch_2.bin")
    refused(archive(tmp_path / "b.tar.gz", files), "3073", "data_batch_2.bin")


def test_label_out_of_range(tmp_path):
    refused(extracted(tmp_path, FILES | {"test_batch.bin": records(2, label=10)}), "label 10")


def test_oversized_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "LARGEST_FILE", 3 * cifar10.RECORD)
    refused(extracted(tmp_path / "a", FILES), "more than")
    refused(archive(tmp_path / "b.tar.gz", FILES), "expected at most")


def test_archive_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "LARGEST_ARCHIVE", 1000)
    refused(archive(tmp_path / "b.tar.gz", FILES), "unpacks to more")


@pytest.mark.parametrize("folder", ["..", "/etc", "../cifar-10-batches-bin", ""])
def test_unsafe_names_are_neither_read_nor_written(tmp_path, folder):
    inner = tmp_path / "inner"
    inner.mkdir()
    path = archive(inner / cifar10.ARCHIVE, FILES, folder)
    refused(path, "has no cifar-10-batches-bin/data_batch_1.bin")
    assert sorted(tmp_path.rglob("*")) == [inner, path]


def test_links_in_an_archive_are_not_followed(tmp_path):
    path = tmp_path / cifar10.ARCHIVE
    with tarfile.open(path, "w:gz") as tar:
        for name in FILES:
            member = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    refused(path, "has no")


def test_truncated_archive(tmp_path):
    path = archive(tmp_path / cifar10.ARCHIVE, FILES)
    whole = path.read_bytes()
    for size in (0, 5, 100, len(whole) // 2, len(whole) * 9 // 10):
        path.write_bytes(whole[:size])
        refused(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 10**6), noise=st.binary(min_size=1, max_size=40))
def test_damaged_archive_raises_nothing_but_data_error(tmp_path, place, noise):
    path = tmp_path / "damaged.tar.gz"
    whole = archive(path, FILES).read_bytes()
    place %= len(whole)
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    with contextlib.suppress(DataError):
        assert len(cifar10.read(path).train) == 20


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=2000), packed=st.booleans())
def test_random_bytes_as_archive_raise_nothing_but_data_error(tmp_path, content, packed):
    path = tmp_path / "random.tar.gz"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError) as caught:
        cifar10.read(path)
    assert "\n" not in str(caught.value)


# --- Parquet --------------------------------------------------------------------------------------

PIXELS = np.random.default_rng(0).integers(0, 256, size=(6, 32, 32, 3), dtype=np.uint8)


def parquet_folder(path: Path, form: str = "PNG") -> Path:
    path.mkdir(exist_ok=True)
    images = [encoded(image, form) for image in PIXELS]
    parquet(path / "train-00000-of-00002.parquet", images[:3], [0, 1, 2])
    parquet(path / "train-00001-of-00002.parquet", images[3:5], [3, 4])
    parquet(path / "test-00000-of-00001.parquet", images[5:], [9])
    return path


@pytest.mark.parametrize("subfolder", ["", "plain_text", "data"])
def test_parquet_of_several_files(tmp_path, subfolder):
    parquet_folder(tmp_path / subfolder)
    images = load(tmp_path)
    assert images.name == "CIFAR-10"
    assert images.train.labels.tolist() == [0, 1, 2, 3, 4]
    assert images.test.labels.tolist() == [9]
    assert np.array_equal(images.train.pixels.permute(0, 2, 3, 1).numpy(), PIXELS[:5])


def test_jpeg_is_named(tmp_path):
    assert load(parquet_folder(tmp_path, "JPEG")).name == "CIFAR-10 (JPEG-recompressed)"


def test_limit_decodes_only_what_is_picked(tmp_path, monkeypatch):
    parquet_folder(tmp_path)
    opened = []
    monkeypatch.setattr(
        cifar10.Image, "open", lambda *a, _open=Image.open, **k: opened.append(1) or _open(*a, **k)
    )
    images = load(tmp_path, limit=2)
    assert (len(images.train), len(images.test), len(opened)) == (2, 1, 3)
    for image, label in zip(images.train.pixels, images.train.labels, strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), PIXELS[label])


def test_truncated_parquet(tmp_path):
    file = parquet_folder(tmp_path) / "train-00001-of-00002.parquet"
    whole = file.read_bytes()
    for size in (0, 3, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(DataError, match="truncated or corrupt Parquet"):
            load(tmp_path)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 10**6), noise=st.binary(min_size=1, max_size=20))
def test_damaged_parquet_raises_nothing_but_data_error(tmp_path, place, noise):
    file = parquet_folder(tmp_path) / "train-00001-of-00002.parquet"
    whole = file.read_bytes()
    place %= len(whole)
    file.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    with contextlib.suppress(DataError):
        assert len(cifar10.read(tmp_path).train) == 5


@pytest.mark.parametrize(
    ("image", "label", "words"),
    [
        (b"not an image", 0, "cannot be decoded"),
        (None, 0, "cannot be decoded"),
        (encoded(PIXELS[0])[:200], 0, "cannot be decoded"),
        (encoded(PIXELS[0], "BMP"), 0, "cannot be decoded"),
        (encoded(np.zeros((31, 32, 3), np.uint8)), 0, "32x31; expected 32x32"),
        (encoded(PIXELS[0]), 10, "label 10"),
        (encoded(PIXELS[0]), -1, "label -1"),
        (encoded(PIXELS[0]), None, "expected the columns"),
    ],
)
def test_parquet_with_one_bad_row(tmp_path, image, label, words):
    parquet_folder(tmp_path)
    parquet(tmp_path / "test-00000-of-00001.parquet", [image], [label])
    refused(tmp_path, words)


def test_parquet_without_rows(tmp_path):
    parquet_folder(tmp_path)
    parquet(tmp_path / "test-00000-of-00001.parquet", [], [])
    refused(tmp_path, "holds no image")


@pytest.mark.parametrize(
    "columns",
    [
        {"image": [1], "label": [1]},
        {"img": [1], "label": [1]},
        {"img": [{"path": "1.png"}], "label": [1]},
        {"img": [{"bytes": "text"}], "label": [1]},
        {"img": [{"bytes": encoded(PIXELS[0])}], "label": [1.5]},
        {"img": [{"bytes": encoded(PIXELS[0])}], "label": ["1"]},
        {"img": [{"bytes": encoded(PIXELS[0])}]},
    ],
    ids=["image", "no struct", "no bytes", "text", "a number", "a word", "no label"],
)
def test_parquet_with_other_columns(tmp_path, columns):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    for part in ("train", "test"):
        pq.write_table(pa.table(columns), tmp_path / f"{part}.parquet")
    refused(tmp_path, "expected the columns img")


def test_missing_pyarrow_names_the_extra(tmp_path, monkeypatch):
    parquet_folder(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(tmp_path, 'pip install "bnproof[parquet]"')


# --- the real set ---------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.is_dir(), reason="real CIFAR-10 not found in ../shared/cifar10")
def test_real_cifar10():
    images = load(REAL, limit=2000)
    assert images.name == "CIFAR-10 (JPEG-recompressed)"
    assert (len(images.train), len(images.test)) == (2000, 2000)
    assert images.train.labels.bincount(minlength=10).min() > 150
    mean, deviation = images.moments
    published = torch.tensor([0.4914, 0.4822, 0.4465])
    torch.testing.assert_close(mean.flatten(), published, atol=0.01, rtol=0)
    published = torch.tensor([0.2470, 0.2435, 0.2616])
    torch.testing.assert_close(deviation.flatten(), published, atol=0.01, rtol=0)
