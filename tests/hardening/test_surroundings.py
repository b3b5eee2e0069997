"""Disks that are full or read-only, names and locales without UTF-8, two at once, little memory."""

import ast
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnproof import cli
from bnproof.commands.common import lock_report
from bnproof.report import document
from bnproof.theory.common.errors import UserError

ODD = os.fsdecode(b"caf\xe9 \xff")  # a name that is no UTF-8
PACKAGES = ("theory", "simulate", "empirical", "src/bnproof")


@pytest.fixture
def read_only(tmp_path: Path) -> Path:
    """A folder in which nothing can be made, by root either."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(0o555)
    try:
        (folder / "x").touch()
    except PermissionError:
        return folder
    system = Path("/sys/kernel")
    if not system.is_dir():
        pytest.skip("every folder can be written here")
    return system


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "bn_jacobian", "--report", "{}/x"),
        ("verify", "bn_jacobian", "--report", "ours", "--json", "{}/x.json"),
        ("experiment", "run", "bjorck_fig6", "--scale", "smoke", "--out", "{}/x"),
        ("spectrum", "--factors", "2", "--out", "{}/x.svg"),
        ("sweep", "sweep.toml", "--out", "{}/x"),
        ("attack", "santurkar_4_1", "--out", "{}/x.json"),
    ],
    ids=lambda words: words[0],
)
def test_a_read_only_folder_is_one_line(read_only, tmp_path, monkeypatch, bnproof, words) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sweep.toml").write_text(
        '[run]\nsteps = 1\nrate = 0.1\nnetwork.family = "linear"\n[grid]\nseed = [1]\n'
    )
    status, out, err = bnproof(*(word.format(read_only) for word in words))
    assert status == 2
    assert f"cannot write {read_only}/x" in err
    assert "choose another folder" in err
    assert out == ""  # nothing was computed first


@pytest.mark.parametrize(
    ("job", "room"),
    [
        ("train", 0),
        pytest.param("train", 600, marks=pytest.mark.slow),
        ("verify", 300),
        pytest.param("publish", 300, marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_one_line_and_work_goes_on_later(
    victims, sound, tmp_path, job, room
) -> None:
    """A file cannot grow beyond `room` bytes; Python sees the error that a full disk gives."""
    status, _ = victims.run(job, tmp_path, largest=room, survives=True)
    said = victims.said()
    assert status == 2, said
    assert "Traceback" not in said
    assert said.count("\n") == 1
    assert "cannot write" in said or "File too large" in said
    sound(tmp_path)
    assert victims.run(job, tmp_path)[0] == 0, victims.said()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_to_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", "from bnproof.cli import main; main()", "--version"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("bnproof: cannot write the output: No space left on device")
    assert run.stderr.count("\n") == 1


# --- names and locales ----------------------------------------------------------------------------


def test_a_folder_whose_name_is_no_utf_8(tmp_path, bnproof) -> None:
    folder = tmp_path / ODD
    status, out, _ = bnproof(
        *("verify", "bn_jacobian", "--scale", "smoke", "--device", "cpu", "--report", folder)
    )
    assert status == 0
    assert "caf\\udce9 \\udcff" in out
    content = document.load(folder / document.NAME)
    assert ODD in content["command"]
    assert bnproof("report", folder)[0] == 0
    (folder / "index.html").read_text(encoding="utf-8")  # is UTF-8


@pytest.mark.parametrize(
    "job",
    ["train", *(pytest.param(job, marks=pytest.mark.slow) for job in ("sweep", "publish"))],
)
def test_runs_in_a_folder_whose_name_is_no_utf_8(victims, sound, tmp_path, job) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    assert victims.run(job, folder)[0] == 0, victims.said()
    sound(folder)


def test_files_whose_names_are_no_utf_8(tmp_path, monkeypatch, bnproof) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "w.npz", w=np.arange(6.0).reshape(2, 3))
    (tmp_path / "w.npz").rename(tmp_path / f"{ODD}.npz")
    status, _, err = bnproof("spectrum", "--from", f"{ODD}.npz", "--out", f"{ODD}.svg")
    assert (status, err) == (0, "")
    assert (tmp_path / f"{ODD}.svg").stat().st_size > 1000
    for words in (("verify", "--data", ODD), ("sweep", ODD), ("show", ODD)):
        assert bnproof(*words)[0] == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_our_letters(monkeypatch, encoding) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "argv", ["bnproof", "claims", "--json"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    assert b"santurkar_4_1" in terminal.buffer.getvalue()


def _without_encoding(path: Path) -> list[str]:
    """Places where text is read or written in the encoding of the locale."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        words = [ast.unparse(word) for word in (*node.args, *(k.value for k in node.keywords))]
        named = any(k.arg == "encoding" for k in node.keywords) or "'utf-8'" in words
        binary = any(word.strip("'") in ("rb", "wb", "ab") for word in words)
        text = name in ("read_text", "write_text") and len(node.args) < 2
        opened = name in ("open", "fdopen") and ast.unparse(node.func).split(".")[0] not in (
            *("os", "tarfile", "Image", "archive"),
        )
        opened = opened or ast.unparse(node.func) == "os.fdopen"
        if (text or opened) and not named and not binary:
            found.append(f"{path.name}:{node.lineno}")
    return found


@pytest.mark.sources
def test_no_file_is_read_in_the_encoding_of_the_locale(root: Path, tmp_path: Path) -> None:
    places = [
        place
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        for place in _without_encoding(path)
    ]
    assert places == []
    (tmp_path / "bad.py").write_text("p.read_text()\np.open('a')\nopen(x)\np.open('rb')\n")
    assert _without_encoding(tmp_path / "bad.py") == ["bad.py:1", "bad.py:2", "bad.py:3"]


# --- two at once, one core, little memory ---------------------------------------------------------


def test_two_do_not_write_to_one_report(tmp_path, bnproof) -> None:
    words = ("verify", "bn_jacobian", "--scale", "smoke", "--device", "cpu", "--report", tmp_path)
    assert bnproof(*words)[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with lock_report(tmp_path):
        for call in (words, ("report", tmp_path)):
            status, _, err = bnproof(*call)
            assert status == 2
            assert "another process is writing to it; wait, or choose another folder" in err
        with pytest.raises(UserError), lock_report(tmp_path):
            pass
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert bnproof(*words)[0] == 0


@pytest.mark.slow
def test_two_verify_at_once(tmp_path) -> None:
    """In folders of their own, with one cache: both whole, both the same."""
    folders = [tmp_path / name for name in ("a", "b")]
    words = ("verify", "santurkar_4_1", "report_3_4", "--scale", "smoke", "--device", "cpu")
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-c", "from bnproof.cli import main; main()"),
                *(*words, "--report", str(folder)),
            ],
            env=os.environ | {"BNPROOF_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for folder in folders
    ]
    for process in running:
        _, err = process.communicate()
        assert (process.returncode, err) == (0, b"")
    found = [document.load(folder / document.NAME)["claims"] for folder in folders]
    for claim in (*found[0], *found[1]):
        claim["seconds"] = 0
    assert found[0] == found[1]


PEAK = """
import json, os, resource, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from bnproof import cli
def call(*words):
    sys.argv = ["bnproof", *words]
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code, end.code
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
report, scale, memory, *ids = sys.argv[1:]
rest = ("--device", "cpu", "--report", report)
call("verify", "santurkar_4_1", "--scale", "smoke", *rest)  # loads everything
start = peak()
call("verify", *ids, "--scale", scale, "--memory", memory, *rest)
print(json.dumps(peak() - start))
"""


def _peak(tmp_path: Path, scale: str, memory: str, *ids: str) -> int:
    """Bytes above what the libraries take, on one core."""
    pytest.importorskip("resource")
    run = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path), scale, memory, *ids],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    taken: Any = json.loads(run.stdout.splitlines()[-1])
    return int(taken)


# One claim a sampler of random instances.
SAMPLERS = (
    *(
        "santurkar_4_2",
        "layer_norm_bound",
        "bjorck_sgd_noise",
        "santurkar_4_5",
        "bjorck_conv_gradient",
    ),
    *("hessian_layer_bound", "bjorck_cross_entropy_rows", "bjorck_condition_number"),
    *("feature_scaling_uncorrelated", "ics_definition", "fuss_catalan_cdf"),
)


@pytest.mark.slow
@pytest.mark.parametrize("claim_id", SAMPLERS)
def test_a_stated_memory_holds(tmp_path, claim_id) -> None:
    """``--memory 1G``, the default, at the scale quick, measured by the peak resident size."""
    assert _peak(tmp_path, "quick", "1G", claim_id) < 2**30
