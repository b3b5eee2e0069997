"""Event files: what TensorBoard reads back, and the same bytes again."""

import json
import sys

import pytest

from bnproof import cli
from bnproof.empirical.training.run_folder import RunFolder
from bnproof.results.event_files import FILE, write
from bnproof.theory.common.errors import UserError

CONFIG = {
    "network": {"depth": 8, "family": "resnet", "norm": "batch"},
    "rate": 0.1,
    "seed": 3,
    "metrics": ["landscape"],
    "data": {"name": "digits"},
}
ROWS = [
    {"step": 0, "loss": None, "test accuracy": 0.1},
    {"step": 5, "loss": 2.5, "test accuracy": 0.5, "landscape": {"beta": float("inf"), "b": [1]}},
    {"step": 9, "loss": 1.5, "test accuracy": 0.75, "landscape": {"beta": 3}},
]


@pytest.fixture
def run(tmp_path) -> RunFolder:
    run = RunFolder(tmp_path / "runs", CONFIG)
    with run.held():
        for row in ROWS[:2]:
            run.record(row)
    with RunFolder(tmp_path / "runs", {"experiment": "x"}).held():  # not a training run
        pass
    return run


def test_tensorboard_reads_what_was_recorded(run, tmp_path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `tb` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (path,) = write(tmp_path / "runs", tmp_path / "events")
    assert path.parent.name == f"resnet-8-batch_rate-0.1_seed-3_{run.folder.name}"
    first = path.read_bytes()
    assert write(tmp_path / "runs", tmp_path / "events") == [path]
    assert path.read_bytes() == first

    with run.held():
        run.record(ROWS[2])
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "lo')  # being written
    write(tmp_path / "runs", tmp_path / "events")
    longer = path.read_bytes()
    assert longer.startswith(first)
    assert len(longer) > len(first)
    events = EventAccumulator(str(path.parent))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "test_accuracy", "landscape/beta"}
    read = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in ("loss",)}
    assert read["loss"] == [(5, 2.5), (9, 1.5)]
    assert [e.value for e in events.Scalars("landscape/beta")] == [float("inf"), 3.0]
    assert [e.value for e in events.Scalars("test_accuracy")] == pytest.approx([0.1, 0.5, 0.75])


def test_a_run_that_went_back_is_written_anew(run, tmp_path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `tb` is not installed")
    (path,) = write(tmp_path / "runs", tmp_path / "events")
    first = path.read_bytes()
    (run.folder / "metrics.jsonl").write_text(json.dumps(ROWS[0] | {"test accuracy": 0.2}) + "\n")
    write(tmp_path / "runs", tmp_path / "events")
    assert not path.read_bytes().startswith(first)
    assert [entry.name for entry in path.parent.iterdir()] == [FILE]


def test_without_the_extra_it_is_one_line(run, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    out = str(tmp_path / "runs")
    monkeypatch.setattr(sys, "argv", ["bnproof", "tensorboard", "--out", out])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        "bnproof: event files need the package tensorboard; run `pip install 'bnproof[tb]'`\n"
    )


def test_a_folder_without_runs(tmp_path) -> None:
    with pytest.raises(UserError, match="contains no training run"):
        write(tmp_path, tmp_path / "events")
