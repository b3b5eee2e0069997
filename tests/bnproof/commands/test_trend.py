"""The commands `experiment trend` and `experiment spread`."""

import re

import pytest
import torch

from bnproof.cli import main
from bnproof.results import processors
from bnproof.results.record_files import read
from bnproof.theory.claim import Scale

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in a temporary folder; return exit status and output."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr("sys.argv", ["bnproof", "experiment", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


def test_a_trend_without_runs_says_which_to_carry_out(run) -> None:
    status, out, _ = run("trend", "slides_more_predictive_in_training", "--seeds", 1)
    assert status == 3
    lines = out.splitlines()
    assert len(lines) == 10  # two scales, each with four widths and the usual one
    assert lines[0].endswith(
        "1 training runs left; `bnproof experiment run slides_more_predictive_in_training "
        "--scale quick --seeds 1`"
    )


def test_an_experiment_whose_runs_differ_in_length_has_none(run) -> None:
    status, _, err = run("trend", "bjorck_fig1")
    assert status == 2
    why = "its runs differ in length, or their rate depends on it"
    assert err == f"bnproof: bjorck_fig1: has no trend; {why}\n"


def test_a_trend_is_collected_from_saved_runs(run, tmp_path, monkeypatch) -> None:
    name = "santurkar_dln"
    monkeypatch.setattr("bnproof.empirical.trend.LENGTHS", (1, 2))
    monkeypatch.setattr("bnproof.empirical.trend.LEAST", 1)
    monkeypatch.setattr("bnproof.empirical.trend.SCALES", (Scale.SMOKE,))
    assert run("run", name, "--scale", "smoke", "--jobs", 1)[0] == 0
    status, out, err = run("trend", name)
    assert status == 0, err
    found = re.findall(r"^ +(\d+) updates  (\S.*)$", out, re.MULTILINE)
    assert [int(updates) for updates, _ in found] == [1, 2, 4]
    assert read(tmp_path / "bnproof-runs/trends" / f"{name}.json")["id"] == name


@pytest.mark.parametrize("command", ["trend", "spread"])
def test_an_unknown_experiment_is_one_line(run, command) -> None:
    status, _, err = run(command, "bjorck_fig33")
    assert status == 2
    assert err.startswith("bnproof: unknown experiment 'bjorck_fig33'; did you mean ")


@pytest.mark.slow
def test_spread_runs_under_every_setting(run, tmp_path) -> None:
    status, out, err = run("spread", "notes_vanishing", "--scale", "smoke", "--seeds", 2)
    assert status in (0, 1), err
    assert "spread over processors  spread over seeds" in out
    path = tmp_path / "bnproof-runs/processors/notes_vanishing.smoke.json"
    settings = read(path)["settings"]
    assert list(settings) == list(processors.SETTINGS)
    assert settings["default"]["environment"]["capability"] == "DEFAULT"
    assert settings["avx2"]["environment"]["limits"] != settings["native"]["environment"]["limits"]


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf"])
def test_spread_needs_a_positive_time(run, minutes) -> None:
    status, _, err = run("spread", "notes_vanishing", "--minutes", minutes)
    assert status == 2
    assert err.startswith("bnproof: --minutes ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("trend", "santurkar_dln", "--seeds", -1), "--seeds -1: must be 1 to 1000"),
        (("trend", "santurkar_dln", "--seeds", 10**9), "--seeds 1000000000: must be 1 to 1000"),
        (("trend", "santurkar_fig1", "--data", "nowhere"), "nowhere"),
        pytest.param(("trend", "santurkar_dln", "--device", "cuda"), "--device cuda", marks=no_gpu),
        (("spread", "notes_vanishing", "--seeds", 0), "--seeds 0: must be 1 to 1000"),
        (("spread", "notes_vanishing", "--data", "nowhere"), "nowhere"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, words, message) -> None:
    status, out, err = run(*words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())


def test_spread_says_what_is_left(run) -> None:
    status, out, _ = run("spread", "notes_vanishing", "--scale", "smoke", "--minutes", "1e-9")
    assert status == 3
    assert out == "notes_vanishing: unfinished under native; repeat the command to resume it\n"
