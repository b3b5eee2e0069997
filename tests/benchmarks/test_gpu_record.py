"""The record of a GPU: its parts run at tiny sizes on the CPU, and a failure is part of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

gpu_record = pytest.importorskip("benchmarks.gpu_record", reason="the sources are not here")
gpu_parts = pytest.importorskip("benchmarks.gpu_parts", reason="the sources are not here")

pytestmark = pytest.mark.sources
SMOKE = ["--device", "cpu", "--smoke"]


def record_in(folder: Path) -> dict:
    (path,) = folder.glob("*.json")
    return json.loads(path.read_text())


def test_the_parts_run_at_tiny_sizes(tmp_path, monkeypatch, capsys) -> None:
    """What is run in processes of its own is replaced by its output."""
    outputs = iter(["FAILED a\n1 failed, 7 passed in 1s\n", "a note\n| a |\n|---|\n| 1 |\n"])
    monkeypatch.setattr(gpu_parts, "command", lambda *words, **given: next(outputs))
    assert gpu_record.main([*SMOKE, "--out", str(tmp_path)]) == 0
    record = record_in(tmp_path)
    about, parts = record["about"], record["parts"]
    assert list(parts) == list(gpu_record.PARTS)
    assert {row["status"] for row in parts.values()} == {"done"}
    assert {goal["met"] for row in parts.values() for goal in row.get("goals", ())} == {None}
    assert about["torch"] == torch.__version__
    assert about["smoke"] is True
    assert parts["tests"]["numbers"]["failures"] == ["FAILED a"]
    assert parts["simulation"]["numbers"]["networks a second"] > 100
    assert parts["vgg"]["numbers"]["execution"] == "eager"
    assert parts["vgg"]["numbers"]["mode"] == "exact"  # the only one that a CPU has
    assert len(parts["resnet"]["goals"]) == 2
    assert parts["stack"]["numbers"]["relative difference of the first"] < 1e-5
    assert parts["compare"]["numbers"]["table"] == ["| a |", "|---|", "| 1 |"]
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("tests: the tests that name a GPU; about 180 s of the 1500 s left")
    assert out[-1] == str(next(tmp_path.glob("*.json")))


def fake(monkeypatch, **functions) -> None:
    parts = {name: replace(gpu_parts.PARTS[name], measure=f) for name, f in functions.items()}
    monkeypatch.setattr(gpu_record, "PARTS", parts)


def test_a_part_that_fails_is_recorded_and_measured_again(tmp_path, monkeypatch, capsys) -> None:
    def broken(setting, left):
        raise RuntimeError("CUDA error\nmore")

    numbers = iter([1.0, 2.0])
    good = lambda setting, left: gpu_parts.Found({"number": next(numbers)})  # noqa: E731
    fake(monkeypatch, tests=broken, vgg=good)
    assert gpu_record.main([*SMOKE, "--out", str(tmp_path)]) == 1
    parts = record_in(tmp_path)["parts"]
    assert parts["tests"]["status"] == "failed"
    assert parts["tests"]["why"] == "RuntimeError: CUDA error"
    fake(monkeypatch, tests=good, vgg=good)
    assert gpu_record.main([*SMOKE, "--out", str(tmp_path)]) == 0
    parts = record_in(tmp_path)["parts"]
    assert [parts[name]["numbers"]["number"] for name in ("vgg", "tests")] == [1.0, 2.0]
    assert "vgg: kept from " in capsys.readouterr().out


def test_goals_are_judged_and_late_parts_left_out(tmp_path, monkeypatch, capsys) -> None:
    """As on a GPU, where sizes are not tiny."""
    goals = (gpu_parts.Goal("seconds", 3.0, at_most=2), gpu_parts.Goal("a second", 3, at_least=2))
    fake(
        monkeypatch,
        vgg=lambda setting, left: gpu_parts.Found({}, goals),
        compare=lambda setting, left: gpu_parts.Found({}),
    )
    setting = gpu_parts.Setting("cpu")
    assert gpu_record.run(setting, ["vgg", "compare"], tmp_path, minutes=5) == 1
    parts = record_in(tmp_path)["parts"]
    assert [goal["met"] for goal in parts["vgg"]["goals"]] == [False, True]
    assert parts["compare"]["status"] == "left out"
    assert parts["compare"]["why"].startswith("needs about 600 s and ")
    assert "  seconds: 3 (at most 2: MISSED)" in capsys.readouterr().out


def test_all_parts_fit_in_the_time() -> None:
    seconds = sum(part.seconds for part in gpu_parts.PARTS.values())
    assert seconds < 60 * gpu_record.MINUTES


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("more", [[], ["--estimate"]])
def test_without_a_gpu_it_is_one_line(more, capsys) -> None:
    assert gpu_record.main(more) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "no GPU that PyTorch can use" in captured.err


def test_a_command_that_takes_too_long_is_a_failure() -> None:
    with pytest.raises(gpu_parts.FailedError, match="did not end in the time"):
        gpu_parts.command("sleep", "30", left=0.5)
    assert gpu_parts.command("echo", "a", left=60) == "a\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "cpu"], "--device cpu: needs --smoke"),
        ([*SMOKE, "--minutes", "0"], "--minutes 0: must be positive"),
        ([*SMOKE, "--only", "vggg"], "vggg"),
    ],
)
def test_bad_options_are_named(arguments, words, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        gpu_record.main(arguments)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
