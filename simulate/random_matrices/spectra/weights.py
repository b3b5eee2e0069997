"""Weights stored in files, listed by name and shape and read one at a time.

Nothing is unpickled but by PyTorch's `weights_only`, which builds tensors and containers and calls
no other code.
"""

import json
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from bnproof.theory.common.errors import UserError

LARGEST: Final = 4 * 2**30  # bytes of one stored tensor
TORCH: Final = (".pt", ".pth", ".bin")
KINDS: Final = (".safetensors", ".npz", ".npy", *TORCH)
NESTED: Final = ("state_dict", "model_state_dict", "model")  # where checkpoints keep the weights
INDEX: Final = ".safetensors.index.json"


@dataclass(frozen=True)
class Stored:
    """A tensor in a file.

    Attributes
    ----------
    name, shape
        As stored.
    flaw
        Why it cannot be used; empty if nothing is wrong so far.
    load
        Reads it.
    groups, stride
        Of a convolution, as in PyTorch; a file does not tell them.
    """

    name: str
    shape: tuple[int, ...]
    load: Callable[[], Tensor]
    flaw: str = ""
    groups: int = 1
    stride: tuple[int, ...] = ()

    def tensor(self) -> Tensor:
        """The tensor as stored.

        Raises
        ------
        UserError
            If it cannot be read.
        """
        try:
            return self.load()
        except Exception as error:  # each reader has its own exceptions
            raise UserError(f"{self.name}: cannot be read ({reason(error)})") from None

    def matrix(self) -> Tensor:
        """The tensor as a matrix (out, in), a convolution kernel as (out, in * height * width).

        Raises
        ------
        UserError
            As `tensor`.
        """
        tensor = self.tensor()
        return tensor.reshape(tensor.shape[0], -1) if tensor.dim() > 2 else tensor


def stored(path: Path) -> list[Stored]:
    """List the tensors of a file or of a folder of .safetensors files, in natural order.

    Raises
    ------
    UserError
        If it cannot be read or is of another type.
    """
    if not path.exists():
        raise UserError(f"{path}: cannot be read (no such file or folder); check the path")
    folder = path.is_dir()
    if not folder and path.suffix not in KINDS and not path.name.endswith(INDEX):
        raise UserError(
            f"{path}: name a {', '.join(KINDS[:-1])} or {KINDS[-1]} file, a {INDEX} file, or a "
            "folder of .safetensors files"
        )
    try:
        if folder or path.name.endswith(INDEX):
            found = _sharded(path)
        elif path.suffix == ".npz":
            found = _npz(path)
        elif path.suffix == ".npy":
            found = [_npy(path)]
        elif path.suffix == ".safetensors":
            found = list(_safetensors(path))
        else:
            found = _torch(path)
    except UserError:
        raise
    except Exception as error:  # each reader has its own exceptions
        hint = "" if isinstance(error, OSError) else "; it may be cut off or of another type"
        raise UserError(f"{path}: cannot be read ({reason(error)}){hint}") from None
    return sorted(found, key=lambda item: natural(item.name))


def chosen(
    found: Sequence[Stored], layers: str | None, where: object
) -> tuple[list[Stored], dict[str, str]]:
    """The tensors to use, in the order of `layers`, and why others are left out.

    Parameters
    ----------
    found
        All tensors.
    layers
        A name, or names and patterns such as ``*.mlp.*`` separated by commas; all by default.
    where
        The file, for messages.

    Raises
    ------
    UserError
        If a name or a pattern matches no matrix, or there is none.
    """
    usable, flaws = [], {}
    for item in found:
        flaw = item.flaw or _flaw(item.shape)
        if flaw:
            flaws[item.name] = flaw
        else:
            usable.append(item)
    if not usable:
        held = ", ".join(f"{item.name} {item.shape}" for item in found) or "nothing"
        raise UserError(f"{where}: holds no matrix, but {held[:200]}")
    if layers is None:
        return usable, flaws
    picked: dict[str, Stored] = {}
    names = {item.name: item for item in usable}
    for part in [layers] if layers in names else layers.split(","):
        matches = [names[part]] if part in names else _matching(usable, part)
        if not matches:
            known = flaws.get(part)
            hint = f"it is left out: {known}" if known else f"there are {', '.join(names)}"
            raise UserError(f"{where}: no matrix {part!r}; {hint}"[:500])
        picked |= {item.name: item for item in matches}
    return list(picked.values()), {}


def read_matrices(path: Path, layers: str | None = None) -> dict[str, Tensor]:
    """Read all matrices of a file, or the chosen ones.

    Raises
    ------
    UserError
        As `stored`, `chosen` and `Stored.matrix`.
    """
    return {item.name: item.matrix() for item in chosen(stored(path), layers, path)[0]}


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key for natural order, in which layer 2 comes before layer 10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def reason(error: Exception) -> str:
    """The first line of an error, or its kind."""
    return str(error).splitlines()[0][:300] if str(error).strip() else type(error).__name__


def _matching(items: Sequence[Stored], pattern: str) -> list[Stored]:
    return [item for item in items if fnmatchcase(item.name, pattern)]


def _flaw(shape: Sequence[int]) -> str:
    if len(shape) < 2:
        return "has no two axes"
    if 0 in shape:
        return "has an axis of length 0"
    size = 8 * float(np.prod(np.array(shape, dtype=float)))
    return f"takes {size:.3g} bytes in float64; at most {LARGEST:.3g}" if size > LARGEST else ""


def kind_flaw(kind: torch.dtype | np.dtype[Any]) -> str:
    """Why numbers of a type cannot be used; empty if they can."""
    if isinstance(kind, np.dtype):
        fits = kind.kind in "fc"
        return "" if fits else f"is of type {kind}, not floating point; nothing is unpickled"
    fits = kind.is_floating_point or kind.is_complex
    return "" if fits else f"is of type {str(kind).removeprefix('torch.')}, not floating point"


def _npy(path: Path) -> Stored:
    with path.open("rb") as file:
        shape, kind = _header(file)
    return Stored(path.stem, shape, partial(_mapped, path), kind_flaw(kind))


def _mapped(path: Path) -> Tensor:
    return torch.from_numpy(np.array(np.load(path, mmap_mode="r", allow_pickle=False)))


def _npz(path: Path) -> list[Stored]:
    found = []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith(".npy"):
                continue
            with archive.open(name) as member:
                shape, kind = _header(member)
            load = partial(_member, path, name)
            found.append(Stored(name.removesuffix(".npy"), shape, load, kind_flaw(kind)))
    return found


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"version {version} of the .npy format is not known")
    shape, _, kind = read(file)
    return shape, kind


def _member(path: Path, name: str) -> Tensor:
    with zipfile.ZipFile(path) as archive, archive.open(name) as member:
        return torch.from_numpy(np.lib.format.read_array(member, allow_pickle=False))


def _safetensors(path: Path, names: Sequence[str] | None = None) -> Iterator[Stored]:
    with _open(path) as file:
        for name in names if names is not None else file.keys():
            shape = tuple(file.get_slice(name).get_shape())
            yield Stored(name, shape, partial(_tensor, path, name), "")


def _tensor(path: Path, name: str) -> Tensor:
    with _open(path) as file:
        tensor: Tensor = file.get_tensor(name)
    return tensor


def _open(path: Path) -> Any:
    try:
        from safetensors import safe_open
    except ImportError:
        raise UserError(
            f"{path}: safetensors is not installed; pip install 'bnproof[weights]'"
        ) from None
    return safe_open(path, framework="pt")


def _sharded(path: Path) -> list[Stored]:
    """The tensors of a folder with .safetensors files, or of those that an index names."""
    if path.is_dir():
        indices = sorted(path.glob(f"*{INDEX}"))
        shards = sorted(path.glob("*.safetensors"))
        if not indices:
            if not shards:
                raise UserError(f"{path}: holds no .safetensors file")
            return [item for shard in shards for item in _safetensors(shard)]
        path = indices[0]
    places = json.loads(path.read_text(encoding="utf-8")).get("weight_map")
    if not isinstance(places, Mapping) or not all(isinstance(v, str) for v in places.values()):
        raise ValueError("the index has no weight_map from names to files")
    found = []
    for shard in sorted(set(places.values())):
        if Path(shard).name != shard:
            raise ValueError(f"the index names {shard!r}, outside its folder")
        names = [name for name, place in places.items() if place == shard]
        found += list(_safetensors(path.parent / shard, names))
    return found


def _torch(path: Path) -> list[Stored]:
    options: dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    try:
        try:
            data = torch.load(path, mmap=True, **options)
        except (RuntimeError, ValueError):  # written in the format before PyTorch 1.6
            data = torch.load(path, **options)
    except pickle.UnpicklingError:  # whose message advises to load the file without this protection
        raise ValueError("holds more than tensors and containers") from None
    for key in NESTED:
        if isinstance(data, Mapping) and isinstance(data.get(key), Mapping):
            data = data[key]
    if isinstance(data, Tensor):
        data = {path.stem: data}
    if not isinstance(data, Mapping):
        raise TypeError(f"holds a {type(data).__name__}, not a state dict")
    return [
        Stored(str(name), tuple(value.shape), value.detach, kind_flaw(value.dtype))
        for name, value in data.items()
        if isinstance(value, Tensor)
    ]
