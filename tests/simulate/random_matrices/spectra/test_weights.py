"""Files of weights: kinds, shards, names, flaws, and what is never executed."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bnproof.simulate.random_matrices.spectra.own_weights import Row, product, rows
from bnproof.simulate.random_matrices.spectra.weights import chosen, read_matrices, stored
from bnproof.theory.common.errors import UserError


def normal(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(sum(shape)).standard_normal(shape))


NET = {
    "layer2": normal(30, 40).float(),
    "layer10": normal(20, 30),
    "a,b": normal(4, 4),
    "conv": normal(8, 3, 3, 3),
    "bias": normal(30),
    "ids": torch.arange(6).reshape(2, 3),
    "empty": torch.zeros(0, 4),
}
FLAWS = {"bias": "has no two axes", "empty": "has an axis of length 0"}


def save_npz(path: Path) -> Path:
    np.savez(path / "w.npz", **{name: tensor.numpy() for name, tensor in NET.items()})
    return path / "w.npz"


def save_torch(path: Path) -> Path:
    torch.save({"epoch": 3, "state_dict": NET}, path / "w.pt")
    return path / "w.pt"


def save_old_torch(path: Path) -> Path:
    torch.save(NET, path / "w.pth", _use_new_zipfile_serialization=False)
    return path / "w.pth"


def save_safetensors(path: Path) -> Path:
    save = pytest.importorskip("safetensors.torch").save_file
    save(NET, path / "w.safetensors")
    return path / "w.safetensors"


def save_shards(path: Path) -> Path:
    save = pytest.importorskip("safetensors.torch").save_file
    parts = {"one.safetensors": ["layer2", "bias", "ids"]}
    parts["two.safetensors"] = [name for name in NET if name not in parts["one.safetensors"]]
    for file, names in parts.items():
        save({name: NET[name] for name in names}, path / file)
    places = {name: file for file, names in parts.items() for name in names}
    index = path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    return index


KINDS = [save_npz, save_torch, save_old_torch, save_safetensors, save_shards]


@pytest.mark.parametrize("save", KINDS, ids=lambda save: save.__name__)
def test_every_kind_of_file(tmp_path: Path, save: Callable[[Path], Path]) -> None:
    path = save(tmp_path)
    found = stored(path)
    assert [item.name for item in found][-2:] == ["layer2", "layer10"]
    usable, flaws = chosen(found, None, path)
    assert flaws.items() >= FLAWS.items()
    results = dict(
        zip((item.name for item in usable), (row for _, row in rows(usable)), strict=True)
    )
    left = {name for name, row in results.items() if isinstance(row, str)} | set(flaws)
    assert left == {"bias", "ids", "empty"}
    row = results["layer2"]
    assert isinstance(row, Row)
    np.testing.assert_allclose(np.exp(row.logs), torch.linalg.svdvals(NET["layer2"].double()))
    conv = results["conv"]
    assert isinstance(conv, Row)
    assert conv.numbers()["columns"] == 27
    assert conv.kind == "convolution"
    if path.name.endswith("index.json"):
        assert [item.name for item in stored(tmp_path)] == [item.name for item in found]


def test_one_array(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", NET["layer2"].numpy())
    assert torch.equal(read_matrices(tmp_path / "w.npy")["w"], NET["layer2"])


def test_names_and_patterns(tmp_path: Path) -> None:
    path = save_npz(tmp_path)
    for layers, names in {
        "layer10,layer2": ["layer10", "layer2"],
        "layer*": ["layer2", "layer10"],
        "a,b": ["a,b"],
        "conv,layer*": ["conv", "layer2", "layer10"],
    }.items():
        assert list(read_matrices(path, layers)) == names
    with pytest.raises(UserError, match="no matrix 'bias'; it is left out: has no two axes"):
        read_matrices(path, "bias")
    with pytest.raises(UserError, match=r"no matrix 'x\*'; there are a,b, conv"):
        read_matrices(path, "x*")


def test_a_bad_matrix_spoils_only_its_row(tmp_path: Path) -> None:
    bad = {"nan": normal(30, 30) * np.nan, "zero": torch.zeros(5, 5)}
    extreme = {"huge": 1e200 * normal(25, 25), "tiny": 1e-300 * normal(25, 25)}
    torch.save(bad | extreme | {"good": normal(24, 26)}, tmp_path / "w.pt")
    found = {item.name: row for item, row in rows(stored(tmp_path / "w.pt"))}
    assert found["nan"] == "holds NaN or infinity"
    assert found["zero"] == "is 0 everywhere"
    for name, power in (("huge", 200), ("tiny", -300)):
        row = found[name]
        assert isinstance(row, Row)
        plain = np.log10(np.linalg.norm(normal(25, 25).numpy(), 2)) + power
        assert row.numbers()["log10 of the spectral norm"] == pytest.approx(plain)
        assert row.bulk is not None
        assert row.bulk.sigma == pytest.approx(10.0**power, rel=0.2)


def test_the_product_is_that_of_the_stored_matrices(tmp_path: Path) -> None:
    path = save_npz(tmp_path)
    items, _ = chosen(stored(path), "layer*", path)
    found = [row for _, row in rows(items) if isinstance(row, Row)]
    whole = product(items, found)
    assert not isinstance(whole, str)
    logs = whole.logs[0] + sum(row.log_scale for row in found)
    exact = torch.linalg.svdvals(NET["layer10"] @ NET["layer2"].double()).log()
    np.testing.assert_allclose(logs, exact, atol=1e-10)
    assert product(items[::-1], found[::-1]) == "the shapes do not chain"
    assert product(items[:1], found[:1]) == "there is one matrix"


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin", "w.npz", "w.npy", "w.safetensors"])
def test_a_pickle_is_never_loaded(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match="cannot be read") as caught:
        read_matrices(path)
    assert "\n" not in str(caught.value)
    assert "set to `False`" not in str(caught.value)  # PyTorch's advice to unpickle it anyway


def test_objects_in_arrays_are_left_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.array([[Evil()]], dtype=object), b=np.eye(3))
    usable, flaws = chosen(stored(tmp_path / "w.npz"), None, "w.npz")
    assert [item.name for item in usable] == ["b"]
    assert "nothing is unpickled" in flaws["a"]


def test_an_index_stays_in_its_folder(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../w.safetensors"}}))
    with pytest.raises(UserError, match="outside its folder"):
        stored(index)
    index.write_text(json.dumps({"weight_map": ["a"]}))
    with pytest.raises(UserError, match="no weight_map"):
        stored(tmp_path)


@pytest.mark.parametrize("name", ["w.npz", "w.safetensors", "w.npy", "w.pt", "w.txt"])
def test_files_that_cannot_be_read_are_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    words = r"cannot be read|name a \.safetensors"
    with pytest.raises(UserError, match=words):
        stored(path)
    path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{broken}")
    with pytest.raises(UserError, match=words) as caught:
        stored(path)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no \.safetensors file"):
        stored(tmp_path)
