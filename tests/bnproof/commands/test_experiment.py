"""`bnproof experiment` as a person uses it."""

import json
import re
import sys

import numpy as np
import pytest

from bnproof import cli
from bnproof.empirical.data import cifar10
from bnproof.empirical.data.remote import VARIABLE
from bnproof.empirical.networks import fused
from bnproof.results import published
from bnproof.results.run_requests import Request, requests
from bnproof.theory import claim
from bnproof.theory.common.checksum import canonical, digest

CHEAP = "bjorck_fig7"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["bnproof", "experiment", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


def test_list_names_every_experiment_and_what_is_published(run):
    status, out, _ = run("list")
    assert status == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert {"bjorck_fig1", "bjorck_fig4", "bjorck_table1"} <= set(lines)
    assert re.search(r"bjorck_fig1 +undecided +quick +\d+ min  At the rate", out)
    assert re.search(r"bjorck_table1 +reproduced +quick +\d+ (s|min)  At initialisation", out)


def test_list_says_what_is_not_published(run, monkeypatch):
    monkeypatch.setattr("bnproof.results.record_files.largest", lambda name: None)
    _, out, _ = run("list")
    assert re.search(r"bjorck_fig1 +undecided +- +-  At the rate", out)


def test_what_is_undecided_says_why(run):
    assert (
        "\nundecided   experiment: for the positive control, gain in test accuracy by BN"
        in (run("show", "bjorck_fig1")[1])
    )
    assert "\nundecided " not in run("show", "bjorck_fig3")[1]
    status, out, _ = run("run", "bjorck_fig6", "--scale", "smoke", "--seeds", 2, "--jobs", 1)
    assert status == 1  # the published twenty seeds decide it
    assert "\n    experiment: the same with BN: the interval over 2 seeds, " in out


def test_show_prints_criteria_control_and_scales(run):
    status, out, _ = run("show", "bjorck_fig3")
    assert status == 0
    for word in (
        "criterion",
        "control",
        "smoke",
        "quick",
        "long",
        "paper",
        "at most 0.1",
        "S3, 3 Batch Normalization and Divergence",
    ):
        assert word in out


def test_a_variant_is_kept_apart_and_expects_no_verdict(run, tmp_path):
    name = "slides_more_predictive_in_training"
    asked = ("run", name, "--scale", "smoke", "--seeds", 1, "--jobs", 1, "--variant", "decay")
    status, out, _ = run(*asked)
    assert status == 0
    assert "weight decay 4e-4" in out
    path = tmp_path / "bnproof-runs" / "results" / f"{name}.smoke.decay.json"
    record = published.read(path)
    assert record["provenance"]["decay"] == 4e-4
    assert record["command"].endswith("--variant decay")
    assert "done      bnproof experiment run" in run("status")[1]


def test_an_unknown_variant_is_an_error(run):
    status, _, err = run("run", "bjorck_fig3", "--variant", "decay")
    assert status == 2
    assert err == "bnproof: bjorck_fig3: has no variant 'decay'; it has no variants\n"


def test_run_writes_result_and_figure_and_is_not_repeated(run, tmp_path, monkeypatch):
    status, out, _ = run("run", CHEAP, "--scale", "smoke", "--seeds", 2, "--jobs", 1)
    assert status == 0
    assert "seen in miniature (smoke: ResNet-110 at initialisation" in out
    path = tmp_path / "bnproof-runs" / "results" / f"{CHEAP}.smoke.json"
    assert out.splitlines()[-1] == str(path)
    assert published.read(path)["provenance"]["seeds"] == [0, 1]
    assert path.with_suffix(".svg").read_text().startswith("<?xml")
    (asked,) = requests(tmp_path / "bnproof-runs")
    assert asked.ids == (CHEAP,)
    monkeypatch.setattr("bnproof.empirical.runner._measured", None)  # to measure again would fail
    assert run("resume")[0] == 0
    status, out, _ = run("status")
    assert status == 0
    assert f"done      bnproof experiment run {CHEAP} --scale smoke --seeds 2\n" in out
    run("run", CHEAP, "--scale", "smoke", "--seeds", 1)
    _, out, _ = run("status")
    told = {" ".join(line.split()[-2:]): line.split()[0] for line in out.splitlines()}
    assert told["--seeds 1"] == "done"
    assert told["--seeds 2"] == "not"  # its file has been written over
    status, _, err = run("status", "--out", "elsewhere")
    assert status == 2
    assert "elsewhere: no such folder" in err


def test_the_precision_is_part_of_the_command(run, tmp_path):
    out = tmp_path / "bnproof-runs"
    run("run", CHEAP, "--scale", "smoke", "--minutes", 1e-9, "--precision", "bfloat16")
    (asked,) = requests(out)
    assert asked.settings().precision == "bfloat16"
    assert asked.command(CHEAP).endswith("--scale smoke --precision bfloat16")


def test_the_mode_is_part_of_the_command(tmp_path):
    Request((CHEAP,), "smoke", None, 0, None, "cuda", mode="fast").keep(tmp_path)
    (asked,) = requests(tmp_path)
    assert asked.settings().mode == "fast"
    assert asked.command(CHEAP).endswith("--scale smoke --mode fast")


def test_a_request_of_before_there_were_a_precision_and_a_mode_is_read(tmp_path):
    Request((CHEAP,), "smoke", None, 0, None, "cpu").keep(tmp_path)
    (path,) = (tmp_path / "requests").iterdir()
    fields = json.loads(path.read_text())
    del fields["precision"], fields["mode"]
    path.unlink()
    text = canonical(fields)
    (path.parent / f"{digest(text.encode())}.json").write_text(text)
    (asked,) = requests(tmp_path)
    assert (asked.precision, asked.mode) == ("float32", "exact")


def test_publish_writes_a_copy(run, tmp_path, monkeypatch):
    checkout = tmp_path / "src/bnproof/results/published"
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr("bnproof.results.record_files.FOLDER", checkout)
    monkeypatch.setattr(published.write, "__defaults__", (tmp_path / "published",))
    status, out, _ = run("run", CHEAP, "--scale", "smoke", "--seeds", 2, "--jobs", 1, "--publish")
    assert status == 0
    (path,) = (tmp_path / "published").glob("*.json")
    assert out.splitlines()[-1] == str(path)
    record = json.loads(path.read_text())
    assert record["command"].startswith(f"bnproof experiment run {CHEAP}")
    assert record["environment"]["torch"]
    assert record["environment"]["processor"]
    assert record["provenance"]["precision"] == "float32"
    assert record["provenance"]["mode"] == "exact"


def test_an_installed_package_publishes_nothing(run, tmp_path, monkeypatch):
    folder = tmp_path / "lib/site-packages/bnproof/results/published"
    monkeypatch.setattr("bnproof.results.record_files.FOLDER", folder)
    status, out, err = run("run", CHEAP, "--scale", "smoke", "--publish")
    assert (status, out) == (2, "")
    assert "--publish: works only in a checkout of the repository" in err
    assert list(tmp_path.iterdir()) == []


def test_stopped_by_the_clock_it_says_how_to_go_on(run, tmp_path):
    status, out, _ = run("run", "bjorck_fig1", "--scale", "smoke", "--seeds", 1, "--minutes", 1e-9)
    assert status == 3
    assert "bjorck_fig1: unfinished; `bnproof experiment resume --out bnproof-runs`" in out
    _, out, _ = run("status")
    assert "not done  bnproof experiment run bjorck_fig1 --scale smoke --seeds 1" in out


def test_a_verdict_that_is_not_the_expected_one_gives_status_1(run, monkeypatch):
    monkeypatch.setattr(claim, "decide", lambda evidence: "undecided")
    assert run("run", CHEAP, "--scale", "smoke", "--seeds", 1)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "bjork_fig3"), "unknown experiment 'bjork_fig3'; did you mean bjorck_fig3"),
        (("run", "nope"), "unknown experiment 'nope'; `bnproof experiment list` lists them all"),
        (("run", CHEAP, "nope"), "unknown experiment 'nope'"),
        (("show", "bn_jacobian"), "bn_jacobian: has no experiment"),
        (("run", CHEAP, "--seeds", "0"), "--seeds 0: must be 1 to 1000"),
        (("run", CHEAP, "--seeds", "1001"), "larger seeds are used by the controls"),
        (("run", CHEAP, "--seed", "-1"), "--seed -1: must be an integer, 0 to 4294967295"),
        (("run", CHEAP, "--minutes", "0"), "--minutes 0.0: must be positive and finite"),
        (("run", CHEAP, "--minutes", "nan"), "--minutes nan"),
        (("run", CHEAP, "--jobs", "0"), "--jobs 0: must be at least 1"),
        (("run", CHEAP, "--threads", "0"), "--threads 0: must be at least 1"),
        (("resume", "--engine", "slurm"), "slurm"),
        (("run", CHEAP, "--scale", "huge"), "huge"),
        (("run", CHEAP, "--precision", "float16"), "float16"),
        (("run", CHEAP, "--mode", "quick"), "quick"),
        (("run", CHEAP, "--data", "nowhere"), "nowhere"),
        (("run", CHEAP, "--scale", "smoke", "--out", "/proc/none"), "cannot write /proc/none"),
        (("resume",), "nothing to resume"),
    ],
)
def test_bad_input_is_one_line_and_status_2(run, arguments, words):
    status, _, err = run(*arguments)
    assert status == 2
    assert words in err
    assert err.count("\n") == 1


def test_the_fast_mode_needs_a_compiler_on_a_cpu(run, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(fused, "COMPILERS", ())
    fused.library.cache_clear()
    status, _, err = run("run", CHEAP, "--scale", "smoke", "--mode", "fast", "--device", "cpu")
    assert (status, err.count("\n")) == (2, 1)
    assert "mode 'fast': needs a C compiler on a CPU, and there is none" in err


def test_cifar10_by_name_and_by_folder_are_the_same_runs(run, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    generator = np.random.default_rng(0)
    folder = tmp_path / "data" / "cifar10"
    folder.mkdir(parents=True)
    for name in (*cifar10.TRAIN_FILES, *cifar10.TEST_FILES):
        rows = generator.integers(0, 10, size=(20, cifar10.RECORD), dtype=np.uint8)
        (folder / name).write_bytes(rows.tobytes())

    def kept(data):
        run("run", CHEAP, "--scale", "smoke", "--seeds", 1, "--jobs", 1, "--data", data)
        runs = {path.parent.name for path in tmp_path.glob("bnproof-runs/*/result.json")}
        record = published.read(tmp_path / f"bnproof-runs/results/{CHEAP}.smoke.json")
        return runs, {name: record[name] for name in ("command", "where", "provenance", "series")}

    by_name = kept("cifar10")
    folder.rename(tmp_path / "mine")
    assert by_name == kept("mine")
    assert by_name[1]["provenance"]["data set"] == "CIFAR-10"


def test_embedded_data_by_name(run, tmp_path):
    run("run", CHEAP, "--scale", "smoke", "--seeds", 1, "--jobs", 1, "--data", "digits")
    record = published.read(tmp_path / f"bnproof-runs/results/{CHEAP}.smoke.json")
    assert record["command"].endswith("--scale smoke --data digits --seeds 1")


def test_a_damaged_request_is_named(run, tmp_path):
    folder = tmp_path / "bnproof-runs" / "requests"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("{}")
    status, _, err = run("status")
    assert status == 2
    assert "x.json: is not a valid request; delete it" in err


def test_the_clock_stops_experiments_that_do_not_train_too(run):
    status, out, _ = run("run", CHEAP, "--scale", "smoke", "--seeds", 2, "--minutes", 1e-9)
    assert status == 3
    assert f"{CHEAP}: unfinished" in out
