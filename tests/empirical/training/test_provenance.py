"""The key of a run changes with the code it uses, the version of PyTorch and the machine."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from bnproof.empirical.data.images import Images
from bnproof.empirical.data.load import load
from bnproof.empirical.training import provenance
from bnproof.empirical.training.callbacks import CALLBACKS
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.empirical.training.run_folder import RunFolder
from bnproof.simulate import machine
from bnproof.theory.common import code

CONFIG = TrainingConfig(
    network={"family": "vgg", "width": 2}, steps=2, rate=0.05, batch=8, every=2, tested=5
)
WATCHING = replace(CONFIG, metrics=("landscape",))
NETWORKS, TRAINING = "bnproof.empirical.networks", "bnproof.empirical.training"
Edit = Callable[[str, str], None]


@pytest.fixture(scope="module")
def images() -> Images:
    return load("digits", limit=24)


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edit]:
    """Append to a copy of a module, which is hashed instead of it."""
    copies: dict[str, Path] = {}
    original = code.module_file

    def module_file(name: str, package: str) -> Path | None:
        return copies.get(name) or original(name, package)

    def append(name: str, text: str) -> None:
        path = original(name, "bnproof")
        assert path is not None
        copies[name] = tmp_path / path.name
        copies[name].write_text(path.read_text() + text)
        provenance._hash.cache_clear()

    monkeypatch.setattr(code, "module_file", module_file)
    yield append
    provenance._hash.cache_clear()


def key(config: TrainingConfig, images: Images, device: str = "cpu") -> str:
    return RunFolder(Path(), config.config(images, device)).folder.name


@pytest.mark.parametrize(
    "name",
    [
        f"{NETWORKS}.vgg",
        f"{NETWORKS}.norms",
        f"{NETWORKS}.initialisation",
        f"{NETWORKS}.table",
        f"{NETWORKS}.lsuv",
        f"{TRAINING}.loop",
        f"{TRAINING}.tasks",
        "bnproof.empirical.data.pixels",
        "bnproof.empirical.data.images",
    ],
)
def test_code_that_a_run_reaches_is_part_of_its_key(name: str, images: Images, edit: Edit) -> None:
    before = key(CONFIG, images)
    edit(name, "\nEDITED = 1\n")
    assert key(CONFIG, images) != before


@pytest.mark.parametrize("text", ["\n# a comment\n", '\n"""A string that nothing uses."""\n\n\n'])
def test_comments_and_docstrings_are_not(text: str, images: Images, edit: Edit) -> None:
    before = key(CONFIG, images)
    edit(f"{NETWORKS}.vgg", text)
    assert key(CONFIG, images) == before


def test_other_families_and_callbacks_are_not(images: Images, edit: Edit) -> None:
    configs = (CONFIG, WATCHING, replace(CONFIG, network={"family": "resnet", "depth": 8}))
    vgg, watching, resnet = (key(config, images) for config in configs)
    edit("bnproof.empirical.metrics.landscape", "\nEDITED = 1\n")
    assert key(CONFIG, images) == vgg
    assert key(WATCHING, images) != watching
    edit("bnproof.empirical.metrics.theorem_callbacks", "\nEDITED = 1\n")
    between = key(WATCHING, images)
    edit(f"{NETWORKS}.resnet", "\nEDITED = 1\n")
    assert (key(CONFIG, images), key(WATCHING, images)) == (vgg, between)
    assert key(configs[2], images) != resnet


METRICS = [("landscape", "sharpness", "shift", "earth mover", "activations"), ("surface",), ()]


@pytest.mark.parametrize("metrics", METRICS, ids=lambda metrics: f"{len(metrics)} metrics")
@pytest.mark.parametrize("family", ["vgg", "resnet", "dense", "linear"])
@pytest.mark.parametrize(
    "name", ["claim", "symbols", "proving.derivation", "normalizers.table", "training.sgd"]
)
def test_claims_and_proofs_are_not(family, metrics, name, images: Images, edit: Edit) -> None:
    """Days of training do not fall to an edit of a verdict or a proof."""
    config = replace(CONFIG, network={"family": family}, metrics=metrics)
    before = key(config, images)
    edit(f"bnproof.theory.{name}", "\nEDITED = 1\n")
    assert key(config, images) == before


def test_a_users_callback_counts(images: Images, monkeypatch) -> None:
    """Code typed at a prompt has no file: no other process may reuse its runs."""
    prompt = ModuleType("prompt")
    exec("def look(now):\n    return {}\n", vars(prompt))
    monkeypatch.setitem(CALLBACKS, "look", prompt.look)
    config = replace(CONFIG, metrics=("look",))
    here = key(config, images)
    assert key(config, images) == here
    for cached in (provenance._hash, provenance._of_no_file):
        cached.cache_clear()
    assert key(config, images) != here


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (torch.backends.cpu, "get_cpu_capability"),
        (torch.cuda, "get_device_name"),
        (torch.backends.cudnn, "version"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_machine_has_other_runs(owner, name, images: Images, monkeypatch) -> None:
    device = "cpu" if owner is torch.backends.cpu else "cuda"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    before = key(CONFIG, images, device)
    monkeypatch.setattr(owner, name, lambda *_: "another")
    assert key(CONFIG, images, device) != before


def test_another_processor_pytorch_or_limit_has_other_runs(images: Images, monkeypatch) -> None:
    keys = [key(CONFIG, images)]
    monkeypatch.setattr(torch, "__version__", "9.9")
    keys.append(key(CONFIG, images))
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    keys.append(key(CONFIG, images))
    monkeypatch.setattr(machine, "processor", lambda: {"processor": "another"})
    keys.append(key(CONFIG, images))
    assert len(set(keys)) == 4


def test_a_stale_run_is_not_read_again(images: Images, edit: Edit, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    train(CONFIG, images, root=root)
    (folder,) = root.iterdir()
    edit(f"{NETWORKS}.vgg", "\nEDITED = 1\n")
    train(CONFIG, images, root=root)
    assert len(list(root.iterdir())) == 2
    edit(f"{NETWORKS}.vgg", "\n# as it was\n")
    assert RunFolder(root, CONFIG.config(images, "cpu")).folder == folder


def test_a_key_is_computed_quickly(images: Images) -> None:
    key(WATCHING, images)
    times = []
    for _ in range(10):
        begun = time.perf_counter()
        key(WATCHING, images)
        times.append(time.perf_counter() - begun)
    assert min(times) < 5e-3


def test_a_result_names_what_trained(images: Images, tmp_path: Path) -> None:
    result = train(CONFIG, images, root=tmp_path)
    assert result["torch"] == torch.__version__
    assert result["threads"] == torch.get_num_threads()
    assert result["machine"] == machine.features("cpu")
    assert result["device"] == "cpu"
    assert result["commit"]
