"""Run folders: whole or not at all, one process at a time, damage noticed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bnproof.empirical.training.run_folder import RunFolder
from bnproof.theory.common import files
from bnproof.theory.common.errors import UserError

CONFIG = {"b": 1, "a": {"rate": 0.1}}


def checkpoints(run: RunFolder) -> list[Path]:
    return sorted(run.folder.glob("checkpoint-*.pt"))


def test_the_name_is_that_of_the_configuration(tmp_path) -> None:
    same = RunFolder(tmp_path, {"a": {"rate": 0.1}, "b": 1})
    assert RunFolder(tmp_path, CONFIG).folder == same.folder
    assert RunFolder(tmp_path, CONFIG | {"b": 2}).folder != same.folder
    with pytest.raises(ValueError, match="not JSON compliant"):
        RunFolder(tmp_path, {"rate": float("nan")})


def test_result_is_there_only_when_done(tmp_path) -> None:
    run = RunFolder(tmp_path, CONFIG)
    with run.held():
        assert run.result() is None
        run.save(1, {"w": torch.ones(2)})
        run.finish({"loss": 0.1})
        assert run.result() == {"loss": 0.1}
        assert not checkpoints(run)
    assert json.loads((run.folder / "config.json").read_text()) == CONFIG


@pytest.mark.parametrize("damage", [lambda t: t.replace("0.1", "0.2"), lambda t: t[:-9], str.upper])
def test_a_changed_result_is_noticed(tmp_path, damage) -> None:
    run = RunFolder(tmp_path, CONFIG)
    with run.held():
        run.finish({"loss": 0.1})
    path = run.folder / "result.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match="was changed after it was written"):
        run.result()


def test_metrics_go_back_to_the_checkpoint(tmp_path) -> None:
    run = RunFolder(tmp_path, CONFIG)
    with run.held():
        run.record({"step": 0})
        run.save(1, {"w": torch.ones(2)})
        run.record({"step": 1})
        assert torch.equal(run.restore()["w"], torch.ones(2))
        assert run.records() == [{"step": 0}]


@pytest.mark.parametrize("cut", [0, 10, 100, -1])
def test_a_truncated_checkpoint_gives_way_to_the_one_before(tmp_path, capsys, cut) -> None:
    run = RunFolder(tmp_path, CONFIG)
    with run.held():
        for step in (1, 2, 3):
            run.record({"step": step})
            run.save(step, {"w": torch.full((2,), float(step))})
        newest = checkpoints(run)[-1]
        assert len(checkpoints(run)) == 2
        newest.write_bytes(newest.read_bytes()[:cut])
        assert torch.equal(run.restore()["w"], torch.full((2,), 2.0))
        assert "damaged; going back to the one before it" in capsys.readouterr().err
        assert len(run.records()) == 2


def test_changed_metrics_are_not_counted_on(tmp_path, capsys) -> None:
    run = RunFolder(tmp_path, CONFIG)
    with run.held():
        run.record({"loss": 0.25})
        run.save(1, {"w": torch.ones(2)})
        path = run.folder / "metrics.jsonl"
        path.write_text(path.read_text().replace("0.25", "0.15"))
        assert run.restore() is None
        assert "metrics.jsonl was changed after it was written" in capsys.readouterr().err
        assert run.records() == []


def test_without_a_sound_checkpoint_it_begins_anew(tmp_path) -> None:
    run = RunFolder(tmp_path, CONFIG)
    with run.held():
        run.record({"step": 0})
        run.save(1, {"w": torch.ones(2)})
        checkpoints(run)[0].write_bytes(b"")
        assert run.restore() is None
        assert run.records() == []


def test_another_configuration_in_the_folder_is_refused(tmp_path) -> None:
    run = RunFolder(tmp_path, CONFIG)
    with run.held():
        pass
    (run.folder / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds a run of another configuration"), run.held():
        pass


HOLDER = """
import sys
from pathlib import Path
from bnproof.empirical.training.run_folder import RunFolder
with RunFolder(Path(sys.argv[1]), {"a": 1}).held():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        run = RunFolder(tmp_path, {"a": 1})
        with pytest.raises(UserError, match="another process is working on this run"), run.held():
            pass
    finally:
        process.kill()
        process.communicate()
    with run.held(wait=10):
        pass


def test_half_written_files_are_cleared(tmp_path) -> None:
    run = RunFolder(tmp_path, CONFIG)
    with run.held():
        pass
    stray = run.folder / ".checkpoint-000000001.x"
    stray.write_bytes(b"half")
    with run.held():
        assert not stray.exists()


def test_a_full_disk_is_one_line_and_keeps_what_there_is(tmp_path, monkeypatch) -> None:
    run = RunFolder(tmp_path, CONFIG)
    with run.held():
        run.save(1, {"w": torch.ones(2)})

        def full(_handle):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(files.os, "fsync", full)
        with pytest.raises(UserError, match="No space left on device"):
            run.save(2, {"w": torch.zeros(2)})
        monkeypatch.undo()
        assert torch.equal(run.restore()["w"], torch.ones(2))
        assert len(list(run.folder.iterdir())) == 3  # config, lock, one checkpoint


def test_nothing_is_unpickled(tmp_path, capsys) -> None:
    run = RunFolder(tmp_path, CONFIG)

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "evil"),)

    with run.held():
        run.save(1, {"w": Evil()})
        assert run.restore() is None
    assert "no checkpoint (UnpicklingError); going back" in capsys.readouterr().err
    assert not (tmp_path / "evil").exists()
