"""Read CIFAR-10 from a folder, or find it by name: Parquet files or the official binary archive.

Nothing is unpickled or extracted: the binary records are read straight from the archive.
"""

import io
import tarfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bnproof.empirical.data.download import data_folder, fetch
from bnproof.empirical.data.images import CLASSES, SIDE, DataError, Images, Split, stream
from bnproof.empirical.data.remote import RemoteFile

NAME = "cifar10"
# The authors publish the MD5, c32a1d4ab5d03f1284b67883e8d87530; TensorFlow Datasets the SHA-256.
OFFICIAL = RemoteFile(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    size=170_052_171,
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
ARCHIVE = OFFICIAL.name
FOLDER = "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILES = ("test_batch.bin",)
RECORD = 1 + 3 * SIDE * SIDE  # bytes: a label, then the red, green and blue planes
LARGEST_FILE = 10_000 * RECORD  # bytes, as published
LARGEST_ARCHIVE = 10 * LARGEST_FILE  # bytes unpacked; the published archive has 6 files

EXPECTED = f"expected train*.parquet and test*.parquet, {ARCHIVE} or {FOLDER}"
FIX = "download the binary version of CIFAR-10 again, or name another folder"


def read(path: Path, limit: int | None = None) -> Images:
    """Read CIFAR-10 from `path`, in any of the supported forms.

    Parameters
    ----------
    path
        A folder with Parquet files in the layout of Hugging Face (columns ``img``, a struct with
        the field ``bytes``, and ``label``), also in a subfolder ``plain_text`` or ``data``; or with
        the official binary archive or the folder extracted from it; or the archive itself.
    limit
        Number of training and of test images to decode, chosen by a fixed permutation.

    Returns
    -------
    Images
        Named ``CIFAR-10``, or ``CIFAR-10 (JPEG-recompressed)`` where the files hold JPEG images,
        whose pixels differ from the published ones.

    Raises
    ------
    DataError
        If CIFAR-10 cannot be read from `path`.
    """
    if path.is_file() and path.name.endswith(".tar.gz"):
        return _from_archive(path, limit)
    if not path.is_dir():
        raise DataError(
            f"{path}: no such folder; name 'photos', 'digits', '{NAME}' or a folder that holds "
            f"CIFAR-10 ({EXPECTED})"
        )
    reader = _unpacked(path)
    if reader is not None:
        return reader(limit)
    if (path / ARCHIVE).is_file():
        return _from_archive(path / ARCHIVE, limit)
    if (path / "cifar-10-python.tar.gz").exists() or (path / "cifar-10-batches-py").exists():
        raise DataError(
            f"{path}: holds the Python version of CIFAR-10, whose pickles are never loaded; "
            f"download {ARCHIVE}"
        )
    raise DataError(f"{path}: holds no CIFAR-10; {EXPECTED}; name the folder that holds them")


def _unpacked(path: Path) -> Callable[[int | None], Images] | None:
    """A reader of the Parquet files or of the extracted archive in a folder, if it holds any."""
    for folder in (path, path / "plain_text", path / "data"):
        train, test = (sorted(folder.glob(f"{part}*.parquet")) for part in ("train", "test"))
        if train and test:
            return partial(_from_parquet, train, test)
    for folder in (path, path / FOLDER):
        if (folder / TEST_FILES[0]).is_file():
            return partial(_from_folder, folder)
    return None


def by_name() -> Path:
    """The folder of the name `cifar10`; the official archive is downloaded if it holds no CIFAR-10.

    Raises
    ------
    DataError
        If the archive cannot be downloaded, or is not the official one.
    """
    folder = data_folder() / NAME
    if _unpacked(folder) is None:
        fetch(OFFICIAL, folder)
    return folder


def _picked(count: int, limit: int | None) -> np.ndarray:
    """Indices to decode: all in order, or the first `limit` of a fixed permutation."""
    if limit is None:
        return np.arange(count)
    return torch.randperm(count, generator=stream(0, "subset"))[:limit].numpy()


def _checked(where: Path | str, pixels: np.ndarray, labels: np.ndarray) -> Split:
    if labels.size == 0:
        raise DataError(f"{where}: holds no image; {FIX}")
    if labels.min() < 0 or labels.max() >= CLASSES:
        worst = labels.max() if labels.max() >= CLASSES else labels.min()
        raise DataError(f"{where}: label {worst}; expected 0 to {CLASSES - 1}; {FIX}")
    return Split(torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64)))


# --- the official binary version -----------------------------------------------------------------


def _records(where: Path | str, content: bytes) -> np.ndarray:
    if not content or len(content) % RECORD:
        raise DataError(
            f"{where}: {len(content)} bytes; expected a whole number of records of {RECORD} "
            f"bytes; {FIX}"
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD)


def _split(where: Path | str, parts: Sequence[np.ndarray], limit: int | None) -> Split:
    records = np.concatenate(parts)
    records = records[_picked(len(records), limit)]
    return _checked(where, records[:, 1:].reshape(-1, 3, SIDE, SIDE).copy(), records[:, 0])


def _from_folder(folder: Path, limit: int | None) -> Images:
    def part(files: Sequence[str]) -> Split:
        contents = []
        for file in (folder / name for name in files):
            try:
                if file.stat().st_size > LARGEST_FILE:
                    raise DataError(f"{file}: more than {LARGEST_FILE} bytes; {FIX}")
                contents.append(_records(file, file.read_bytes()))
            except OSError as error:
                raise DataError(
                    f"{file}: cannot be read ({error.strerror}); expected {', '.join(files)} in "
                    f"this folder; {FIX}"
                ) from error
        return _split(folder, contents, limit)

    return Images("CIFAR-10", part(TRAIN_FILES), part(TEST_FILES))


def _from_archive(path: Path, limit: int | None) -> Images:
    wanted = {f"{FOLDER}/{name}": name for name in (*TRAIN_FILES, *TEST_FILES)}
    contents: dict[str, bytes] = {}
    try:
        for name, content in _members(path, wanted):
            contents[wanted[name]] = content
    except DataError:
        raise
    except Exception as error:  # on hostile input tarfile raises undocumented exceptions
        raise DataError(
            f"{path}: truncated or corrupt archive ({type(error).__name__}); {FIX}"
        ) from error
    missing = [name for name in wanted.values() if name not in contents]
    if missing:
        raise DataError(f"{path}: has no {FOLDER}/{missing[0]}; {FIX}")

    def part(files: Sequence[str]) -> Split:
        records = [_records(f"{path}: {name}", contents[name]) for name in files]
        return _split(path, records, limit)

    return Images("CIFAR-10", part(TRAIN_FILES), part(TEST_FILES))


def _members(path: Path, wanted: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Stream the regular files with the wanted names; sizes are checked before reading."""
    with tarfile.open(path, mode="r|gz") as archive:
        for member in archive:
            if member.offset_data + member.size > LARGEST_ARCHIVE:
                raise DataError(f"{path}: unpacks to more than {LARGEST_ARCHIVE} bytes; {FIX}")
            if member.name not in wanted or not member.isreg():
                continue
            if member.size > LARGEST_FILE:
                raise DataError(
                    f"{path}: {member.name} has {member.size} bytes; expected at most "
                    f"{LARGEST_FILE}; {FIX}"
                )
            file = archive.extractfile(member)
            if file is not None:
                yield member.name, file.read()


# --- Parquet -------------------------------------------------------------------------------------


def _from_parquet(train: Sequence[Path], test: Sequence[Path], limit: int | None) -> Images:
    formats: set[str] = set()
    splits = [_parquet_split(files, limit, formats) for files in (train, test)]
    name = "CIFAR-10 (JPEG-recompressed)" if "JPEG" in formats else "CIFAR-10"
    return Images(name, *splits)


def _parquet_split(files: Sequence[Path], limit: int | None, formats: set[str]) -> Split:
    where = files[0] if len(files) == 1 else files[0].parent / f"{files[0].name} ..."
    encoded, labels = [], []
    for file in files:
        images, numbers = _columns(file)
        encoded.append(images)
        labels.append(numbers)
    starts = np.cumsum([0, *map(len, encoded)])
    rows = _picked(int(starts[-1]), limit)
    pixels = np.empty((len(rows), 3, SIDE, SIDE), dtype=np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for place, row in enumerate(rows):
            part = int(np.searchsorted(starts, row, side="right")) - 1
            content = encoded[part][int(row - starts[part])].as_py()
            pixels[place] = _decoded(files[part], int(row - starts[part]), content, formats)
    return _checked(where, pixels, np.concatenate(labels)[rows])


def _columns(file: Path) -> tuple[Any, np.ndarray]:
    """Encoded images and labels of one Parquet file."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(
            f'{file}: reading Parquet needs pyarrow; run: pip install "bnproof[parquet]"'
        ) from error
    try:
        table = parquet.ParquetFile(file).read(columns=["img", "label"])
        table.validate(full=True)
    except Exception as error:  # on hostile input pyarrow raises undocumented exceptions
        raise DataError(
            f"{file}: truncated or corrupt Parquet file ({type(error).__name__}); expected the "
            "columns img and label; fetch the file again"
        ) from error
    fields = {field.name: field.type for field in table.schema}
    image = fields.get("img")
    if not (
        image is not None
        and pa.types.is_struct(image)
        and image.get_field_index("bytes") >= 0
        and pa.types.is_binary(image.field("bytes").type)
        and pa.types.is_integer(fields.get("label", pa.null()))
        and table["label"].null_count == 0
    ):
        raise DataError(
            f"{file}: expected the columns img (a struct with bytes) and label (integers), as "
            "Hugging Face lays CIFAR-10 out; name another folder"
        )
    images = table["img"].combine_chunks()
    if isinstance(images, pa.ChunkedArray):
        images = pa.concat_arrays(images.chunks)
    return images.field("bytes"), table["label"].to_numpy()


def _decoded(file: Path, row: int, content: bytes | None, formats: set[str]) -> np.ndarray:
    """uint8 of shape (3, 32, 32); the size is checked before any pixel is decoded."""
    try:
        with Image.open(io.BytesIO(content or b""), formats=("PNG", "JPEG")) as image:
            if image.size != (SIDE, SIDE):
                raise DataError(
                    f"{file}: image {row} is {image.size[0]}x{image.size[1]}; expected "
                    f"{SIDE}x{SIDE}; name another folder"
                )
            pixels = np.asarray(image.convert("RGB"))
            formats.add(str(image.format))
    except DataError:
        raise
    except Exception as error:  # on hostile input Pillow raises undocumented exceptions
        raise DataError(
            f"{file}: image {row} cannot be decoded as PNG or JPEG ({type(error).__name__}); "
            "fetch the file again"
        ) from error
    return pixels.transpose(2, 0, 1)
