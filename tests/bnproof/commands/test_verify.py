"""`bnproof verify`: the same bytes in parallel, after a kill and after Ctrl-C; what is kept."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bnproof import cli
from bnproof.commands import verify as command
from bnproof.report import document

# A derivation, a counterexample, random matrices, an attack, and experiments that share a part.
FEW = (
    *("bjorck_condition_number", "notes_feature_scaling", "lyapunov"),
    *("bjorck_fig6", "notes_vanishing"),
)
MAIN = "from bnproof.cli import main; main()"
PATIENCE = 300.0  # seconds; a test that waits longer fails


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        words = ("verify", *words, "--scale", "smoke", "--device", "cpu")
        monkeypatch.setattr(sys, "argv", ["bnproof", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


# Claims of the user that take no time, and one that waits as long as there is a file `wait`.
QUICK = """
from dataclasses import replace
from bnproof.theory.claims.sgd.condition_number_lr import CLAIM as WHOLE
CLAIM = replace(WHOLE, id="{name}")
"""
WAITING = """
import time
from dataclasses import replace
from pathlib import Path
from bnproof.theory.claims.sgd.condition_number_lr import CLAIM as WHOLE

def prove():
    while Path("wait").exists():
        time.sleep(0.01)
    return WHOLE.checks[0].prove()

PROOF = replace(WHOLE.checks[0], prove=prove)
CLAIM = replace(WHOLE, id="waits", checks=(PROOF, *WHOLE.checks[1:]))
"""


@pytest.fixture
def claims(tmp_path) -> Path:
    """A folder of claims of which one does not end."""
    folder = tmp_path / "claims"
    folder.mkdir()
    for name in ("a", "b", "z"):
        (folder / f"{name}.py").write_text(QUICK.format(name=name))
    (folder / "waits.py").write_text(WAITING)
    (tmp_path / "wait").touch()
    return folder


def started(folder: Path, *words: str) -> subprocess.Popen:
    line = ("verify", *words, "--scale", "smoke", "--device", "cpu", "--report", str(folder))
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *line],
        cwd=folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if "THREADS" not in name},
        # A shell that starts the tests in the background makes all that they start deaf to SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait(until: Callable[[], object]) -> None:
    begun = time.monotonic()
    while not until():
        assert time.monotonic() - begun < PATIENCE
        time.sleep(0.01)


def done(folder: Path) -> set[Path]:
    return set((folder / command.STORE).glob("*/result.json"))


def timeless(folder: Path) -> Any:
    """The evidence without times, and the figures."""
    content = document.load(folder / document.NAME)
    for name in ("created", "command"):
        del content[name]
    for record in content["claims"]:
        record["seconds"] = 0
    figures = {path.name: path.read_bytes() for path in (folder / document.FIGURE_FOLDER).iterdir()}
    return json.dumps(content), figures


def test_in_one_process_or_in_two_the_evidence_is_the_same(run, tmp_path) -> None:
    assert run(*FEW, "--jobs", 1, "--report", "one")[0] == 0
    status, out, err = run(*FEW, "--jobs", 2, "--report", "two")
    assert (status, err) == (0, "")
    lines = [line for line in out.splitlines()[:-2] if not line.startswith(" ")]
    assert sorted(line.split()[0] for line in lines) == sorted(FEW)
    assert timeless(tmp_path / "two") == timeless(tmp_path / "one")


def test_killed_it_takes_up_what_is_done(tmp_path, run, claims) -> None:
    """kill -9 of the driver while its processes work; then the same command."""
    folder = tmp_path / "killed"
    first = started(folder, "--claims", "claims", "--jobs", "2")
    try:
        wait(lambda: len(done(folder)) >= 2 or first.poll() is not None)
    finally:
        first.kill()
        first.communicate()
    (tmp_path / "wait").unlink()
    before = {path: path.stat().st_mtime_ns for path in done(folder)}
    assert len(before) >= 2
    command = ("--claims", "claims", "--jobs", 1, "--report")
    # Its processes end with it, but not at once: what they still hold is left to them.
    wait(lambda: run(*command, folder)[0] == 0)
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    assert run(*command, "whole")[0] == 0
    assert timeless(folder) == timeless(tmp_path / "whole")
    status, out, _ = run(*command, folder)
    assert status == 0
    assert out.startswith("4 of 4 claims already verified; --fresh")
    assert timeless(folder) == timeless(tmp_path / "whole")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_a_partial_page_and_goes_on(tmp_path, run, claims, jobs) -> None:
    """And whatever the environment says or leaves out, one thread computes."""
    folder = tmp_path / "stopped"
    first = started(folder, "--claims", "claims", "--jobs", jobs)
    try:
        wait(lambda: list((folder / document.FIGURE_FOLDER).glob("*.svg")))
        first.send_signal(signal.SIGINT)
        out, err = first.communicate(timeout=PATIENCE)
    finally:
        first.kill()
        first.communicate()
    assert (first.returncode, err) == (3, "")
    assert re.search(
        r"^interrupted: [123] of 4 claims done; repeat the command to resume$", out, re.M
    )
    content = document.load(folder / document.NAME)
    assert content["environment"]["threads"] == 1
    found = {record["id"] for record in content["claims"]}
    assert found
    assert "waits" in content["left"]
    assert found.isdisjoint(content["left"])
    assert found | set(content["left"]) == {"a", "b", "waits", "z"}
    page = (folder / "index.html").read_text()
    assert "This page is incomplete" in page
    assert "not been verified yet" in page
    (tmp_path / "wait").unlink()
    status, out, _ = run("--claims", "claims", "--jobs", 1, "--report", folder)
    assert status == 0
    assert "claims already verified" in out
    assert "not been verified yet" not in (folder / "index.html").read_text()
    assert "left" not in document.load(folder / document.NAME)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_before_the_first_claim_is_done_says_so(run, tmp_path, monkeypatch) -> None:
    """Also of the claims whose results are saved, it says how many they are."""
    words = ("condition_number_lr", "report_3_4", "--jobs", 1, "--report", "r")
    with monkeypatch.context() as patch:
        patch.setattr(command, "pending", interrupted)
        end = (3, "interrupted: 0 of 2 claims done; repeat the command to resume\n", "")
        assert run(*words) == end
        assert not (tmp_path / "r" / document.NAME).exists()
    run("report_3_4", *words[2:])
    monkeypatch.setattr(command, "pending", interrupted)
    status, out, err = run(*words)
    assert (status, err) == (3, "")
    assert "interrupted: 1 of 2 claims done; repeat the command to resume\n" in out
    assert document.load(tmp_path / "r" / document.NAME)["left"] == ["condition_number_lr"]


def test_ctrl_c_while_the_report_is_written_keeps_the_claims(run, monkeypatch) -> None:
    words = ("condition_number_lr", "--jobs", 1, "--report", "r")
    with monkeypatch.context() as patch:
        patch.setattr(command.page, "write", interrupted)
        status, out, err = run(*words)
    assert (status, err) == (3, "")
    assert out.endswith("interrupted: 1 of 1 claims done; repeat the command to resume\n")
    assert run(*words)[1].startswith("1 of 1 claims already verified")


def test_ctrl_c_within_exec_gives_the_same_status(tmp_path) -> None:
    """Python would end by the signal where a module is run by -m; SymPy uses `exec` too."""
    folder = tmp_path / "claims"
    folder.mkdir()
    stops = FLAKY.replace('raise RuntimeError("not yet")', 'exec("raise KeyboardInterrupt")')
    (folder / "flaky.py").write_text(stops)
    line = ("verify", "--claims", "claims", "--scale", "smoke", "--device", "cpu", "--jobs", "1")
    run = subprocess.run(
        [sys.executable, "-m", "bnproof", *line], cwd=tmp_path, capture_output=True, text=True
    )
    end = (3, "interrupted: 0 of 1 claims done; repeat the command to resume\n", "")
    assert (run.returncode, run.stdout, run.stderr) == end


def test_settings_and_fresh_make_other_results(run, tmp_path) -> None:
    store = tmp_path / "r" / command.STORE
    words = ("condition_number_lr", "--report", "r")
    run(*words)
    (first,) = store.iterdir()
    assert run(*words, "--seed", 0)[1].startswith("1 of 1 claims already verified")
    run(*words, "--seed", 1)
    assert len(list(store.iterdir())) == 2
    before = (first / "result.json").stat().st_mtime_ns
    assert run(*words)[1].startswith("1 of 1 claims already verified")
    assert (first / "result.json").stat().st_mtime_ns == before
    assert "already" not in run(*words, "--fresh")[1]
    assert (first / "result.json").stat().st_mtime_ns > before


def test_a_result_that_was_changed_is_named(run, tmp_path) -> None:
    run("condition_number_lr", "--report", "r")
    (path,) = done(tmp_path / "r")
    path.write_text(path.read_text().replace("proved", "refuted"))
    status, _, err = run("condition_number_lr", "--report", "r")
    assert status == 2
    assert err.startswith(f"bnproof: {path}: was changed after it was written")


def test_a_record_with_an_error_is_not_kept(run, tmp_path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "flaky.py").write_text(FLAKY)
    status, out, _ = run("--claims", "claims", "--report", "r", "--jobs", 1)
    assert (status, "RuntimeError: not yet" in out) == (1, True)
    (tmp_path / "now").touch()
    status, out, _ = run("--claims", "claims", "--report", "r", "--jobs", 1)
    assert status == 0
    assert "already" not in out


FLAKY = """
from dataclasses import replace
from pathlib import Path
from bnproof.theory.claims.sgd.condition_number_lr import CLAIM as WHOLE

def prove():
    if not Path("now").exists():
        raise RuntimeError("not yet")
    return WHOLE.checks[0].prove()

PROOF = replace(WHOLE.checks[0], prove=prove)
CLAIM = replace(WHOLE, id="flaky", checks=(PROOF, *WHOLE.checks[1:]))
"""


def test_a_process_that_is_killed_is_reported_by_the_name_of_its_claim(run, tmp_path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    for name in ("fine", "greedy"):
        text = FLAKY.replace('"flaky"', f'"{name}"').replace("not Path", "Path")
        if name == "greedy":
            text = text.replace(
                "WHOLE.checks[0].prove()", "__import__('os').kill(__import__('os').getpid(), 9)"
            )
        (folder / f"{name}.py").write_text(text)
    status, out, err = run("--claims", "claims", "--report", "r", "--jobs", 2)
    assert (status, err) == (1, "")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "proved" in lines["fine"]
    assert "greedy: its process was killed by SIGKILL, 2 times" in lines["greedy"]
    assert "1 of 2 verdicts as expected" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--jobs", 0), "--jobs 0: must be at least 1"),
        (("--jobs", "many"), "jobs"),
        (("--engine", "slurm"), "slurm"),
        (("--address", "x:1"), "--address x:1: needs --engine ray"),
        (("--gpus", "7"), "--gpus 7: "),
        (("--gpus", "first"), "--gpus first: "),
        (
            ("--gpus-per-job", 0),
            "--gpus-per-job 0: must be a fraction of 1",
        ),
    ],
)
def test_bad_options_are_one_line(run, tmp_path, words, message) -> None:
    status, out, err = run("condition_number_lr", *words)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("bnproof: ")
    assert err.count("\n") == 1
    assert not done(tmp_path / "bnproof-report")


def test_more_jobs_than_memory_holds(run, monkeypatch) -> None:
    monkeypatch.setattr("bnproof.simulate.memory.free", lambda: 4 << 30)
    status, _, err = run("condition_number_lr", "report_3_4", "bjorck_fig6", "--jobs", 3)
    assert status == 2
    assert "are free; give --jobs 2 or less" in err


def test_a_lock_that_a_crash_left_is_no_obstacle(run, tmp_path) -> None:
    run("notes_vanishing", "--jobs", 1, "--report", "r")
    for folder in (tmp_path / "r" / command.STORE).iterdir():
        (folder / "result.json").unlink()
        (folder / "lock").touch()
    (tmp_path / "r" / ".lock").touch()
    assert run("notes_vanishing", "--jobs", 1, "--report", "r")[0] == 0
