"""The speed of training at two commits: one process each, whatever the modules are called."""

import sys
from pathlib import Path

import pytest

pair = pytest.importorskip("benchmarks.training_pair", reason="the sources are not here")

pytestmark = pytest.mark.sources

CONFIG = """
class {config}:
    def __init__(self, network, steps, rate, batch, augment, precision, mode="exact"):
        self.mode = mode
"""
TRAINER = """
class Trainer:
    def __init__(self, config, images):
        assert images == "photos images"
        self.work = {work} // (1 + (config.mode == "fast"))

    def update(self):
        for number in range(self.work):
            number * number
"""
LOAD = 'load = "{} images".format\n'


def tree(folder: Path, work: int, modules: tuple[str, str, str], config: str) -> Path:
    """A tree with these modules for images, the configuration and the trainer."""
    sources = (LOAD, CONFIG.format(config=config), TRAINER.format(work=work))
    for name, source in zip(modules, sources, strict=True):
        path = (folder / name.replace(".", "/")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        for parent in list(Path(name.replace(".", "/")).parents)[:-1]:
            (folder / parent / "__init__.py").touch()
    return folder


@pytest.fixture
def old(tmp_path) -> Path:
    modules = ("empirical.data", "empirical.recipe", "empirical.training")
    return tree(tmp_path / "old", 300_000, modules, "Recipe")


@pytest.fixture
def new(tmp_path) -> Path:
    package = "src.bnproof.empirical"
    modules = (f"{package}.data.load", f"{package}.training.config", f"{package}.training.loop")
    return tree(tmp_path / "new", 200_000, modules, "TrainingConfig")


def test_trees_are_timed_in_turn(old: Path, new: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    pair.compare(old, new, ["vgg:float32"], "exact")
    pair.compare(old, new, ["vgg:float32"], "fast")
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "vgg" in line]
    exact, fast = (float(row[0]) for row in rows)
    assert exact == pytest.approx(1.5, rel=0.3)
    assert fast == pytest.approx(3.0, rel=0.3)
    assert all(float(row[1]) <= float(row[0]) <= float(row[3]) for row in rows)


def test_a_tree_that_cannot_train_ends_the_comparison(old: Path, tmp_path, capfd) -> None:
    with pytest.raises(pair.WorkerError):
        pair.compare(old, tmp_path / "nothing", ["vgg:float32"], "exact")
    assert "Error" in capfd.readouterr().err


def test_a_commit_that_is_none_is_one_line(capsys) -> None:
    assert pair.main(["no_such_commit"]) == 2
    assert capsys.readouterr().err == "training_pair: not a commit: one of no_such_commit\n"
