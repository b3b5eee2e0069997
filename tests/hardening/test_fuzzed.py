"""Hostile input: one line or a result, never a traceback, a hang, or a write elsewhere.

Counts of the full run, ten times those of the fast one: 60 recipes, 150 sweep files, 150 archives,
120 safetensors, 100 checkpoints, 180 files of a folder of runs, 180 evidence documents, 140
expressions and cache entries, 200 command lines: 1,280.  Archives and Parquet files of CIFAR-10 are
fuzzed 400 times in `tests/empirical/data/test_cifar10.py`.
"""

import io
import json
import math
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.empirical.training.run_folder import RunFolder, canonical, digest
from bnproof.empirical.training.tasks import LinearMap
from bnproof.report import document
from bnproof.results.run_requests import Request, requests, training_runs
from bnproof.simulate.random_matrices.spectra.spectrum import given as spectra_of
from bnproof.simulate.random_matrices.spectra.weights import read_matrices
from bnproof.sweep import plan
from bnproof.theory.claim import Settings
from bnproof.theory.common.checksum import with_checksum
from bnproof.theory.common.errors import UserError
from bnproof.theory.proving import cache, expressions

NOISY = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)


def fuzzed(count: int, *strategies: Any) -> Callable[[Any], Any]:
    """A test with a tenth of the examples, and beside it, ``_in_full`` and slow, one with all."""

    def twice(work: Any) -> Any:
        few, whole = (
            settings(max_examples=number, deadline=None, suppress_health_check=NOISY)(
                given(*strategies)(work)
            )
            for number in (count // 10, count)
        )
        work.__globals__[f"{work.__name__}_in_full"] = pytest.mark.slow(whole)
        return few

    return twice


# Pieces of bytes put in place of what stands somewhere in a file.
DAMAGE = st.lists(
    st.tuples(st.integers(0, 10**6), st.binary(min_size=0, max_size=12), st.integers(0, 12)),
    min_size=1,
    max_size=4,
)
WORDS = st.sampled_from(
    [
        *(
            "",
            "..",
            "../x",
            "/etc/passwd",
            "a/../../b",
            "~nobody-here",
            "x\x00y",
            "é" * 300,
            "\ud800",
        ),
        *(
            "$x$ $",
            "<script>alert(1)</script>",
            "\x1b[2J",
            "$(touch y)",
            "CON",
            "-",
            "--",
            "%s",
            "\n",
        ),
    ]
)
NUMBERS = st.sampled_from([0, -1, 1, 2**31, 2**63, 10**30, 1e308, 5e-324, 0.5])
LEAVES = st.one_of(WORDS, NUMBERS, st.booleans(), st.none(), st.text(max_size=8))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
DEEP = "[" * 100_000


def damaged(content: bytes, damage: list[tuple[int, bytes, int]]) -> bytes:
    for place, noise, gone in damage:
        at = place % (len(content) + 1)
        content = content[:at] + noise + content[at + gone :]
    return content


def one_line(error: BaseException) -> None:
    assert str(error)
    assert "\n" not in str(error)


# --- recipes and sweeps ---------------------------------------------------------------------------

FIELDS = st.sampled_from(["steps", "rate", "batch", "momentum", "decay", "schedule", "every"])
RECIPE = TrainingConfig(
    network={"family": "linear", "depth": 2, "width": 10}, steps=2, rate=0.01, every=1
)
MAP = LinearMap(samples=4)
SWEEP = b"""[run]
steps = 2
rate = 0.1
data = "digits"
network = {family = "resnet", depth = 8}
[grid]
seed = [0, 1]
"""


@fuzzed(60, st.sampled_from(["depth", "width", "norm", "family", "nonlinearity"]), LEAVES)
def test_networks_of_a_recipe(confined, name, value) -> None:
    if isinstance(value, int | float) and abs(value) > 1e4:
        value = 3  # a network of 10^9 layers is no mistake of the program
    network = dict(RECIPE.network) | {name: value}
    training_config = TrainingConfig(network=network, steps=1, rate=0.01, every=1)
    with suppress(UserError):
        try:
            train(training_config, MAP, root=confined)
        except UserError as error:
            one_line(error)
            raise


@fuzzed(150, DAMAGE, st.none() | st.tuples(FIELDS, VALUES))
def test_sweep_files(confined, damage, field) -> None:
    path = confined / "sweep.toml"
    text = damaged(SWEEP, damage)
    if field is not None:
        with suppress(UnicodeEncodeError):
            text = SWEEP.replace(b"rate = 0.1", f"{field[0]} = {json.dumps(field[1])}".encode())
    path.write_bytes(text)
    try:
        assert plan.read(path)
    except UserError as error:
        one_line(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"a = {DEEP}", "nested too deeply"),
        (f"run.{'a.' * 3000}b = 1\n[grid]\nseed = [1]", "nested too deeply|must be"),
        (SWEEP.decode() + "\n".join(f"x{i} = {list(range(99))}" for i in range(9)), "combinations"),
        (SWEEP.decode().replace("[0, 1]", "[99999999999999]"), "seed 1.00e.14: must be an integer"),
    ],
)
def test_sweeps_that_would_not_end(confined, text, words) -> None:
    (confined / "sweep.toml").write_text(text)
    with pytest.raises(UserError, match=words):
        plan.read(confined / "sweep.toml")


@pytest.mark.parametrize("name", ["x\x00y", "~nobody-here/x", "y" * 5000])
def test_data_that_are_no_path(confined, bnproof, name) -> None:
    text = SWEEP.decode().replace('"digits"', json.dumps(name))
    (confined / "sweep.toml").write_text(text)
    status, _, err = bnproof("sweep", "sweep.toml", "--out", "runs")
    assert status == 2
    assert "another folder" in err or "File name too long" in err


# --- weights --------------------------------------------------------------------------------------


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("unpickled"),)


def npy(value: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, value, allow_pickle=True)
    return file.getvalue()


def archive(members: list[tuple[str, bytes, int]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16  # a symbolic link, say
            packed.writestr(info, content)
    return file.getvalue()


MATRIX = np.arange(6.0).reshape(2, 3)
CONTENTS = st.sampled_from(
    [
        npy(MATRIX),
        npy(MATRIX.astype("U3")),
        npy(np.array(Evil())),
        npy(np.full((2, 2), np.nan)),
        npy(np.zeros((0, 3))),
        npy(np.zeros((2, 2), dtype=[("a", "f8")])),
        npy(MATRIX).replace(b"(2, 3)", b"(9**9,)"[:6]),
        pickle.dumps(Evil()),
        b"/etc/passwd",
        b"",
    ]
)
MEMBERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["w.npy", "../../w.npy", "/etc/w.npy", "a$b$.npy", "w", "\x1b.npy", "..\\w"]
        ),
        CONTENTS,
        st.sampled_from([0o644, 0o120777]),
    ),
    max_size=3,
    unique_by=lambda member: member[0],
)


def measured(path: Path) -> None:
    before = set(path.parent.iterdir())
    try:
        for found in spectra_of(read_matrices(path)):
            assert found.name.isprintable()
    except UserError as error:
        one_line(error)
    assert set(path.parent.iterdir()) == before


@fuzzed(150, MEMBERS, st.none() | DAMAGE)
def test_archives_of_weights(confined, members, damage) -> None:
    path = confined / "w.npz"
    content = archive(members)
    path.write_bytes(content if damage is None else damaged(content, damage))
    measured(path)


@pytest.mark.parametrize("content", [npy(MATRIX), pickle.dumps(Evil()), b"", DEEP.encode()])
def test_no_archive_at_all(confined, content) -> None:
    (confined / "w.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"w\.npz: cannot be read"):
        read_matrices(confined / "w.npz")


def test_an_archive_that_unpacks_to_too_much(confined, monkeypatch) -> None:
    path = confined / "w.npz"
    np.savez_compressed(path, w=np.zeros((1000, 1000)))
    assert path.stat().st_size < 10**5
    monkeypatch.setattr("bnproof.simulate.random_matrices.spectra.weights.LARGEST", 10**6)
    with pytest.raises(UserError, match=r"w\.npz: holds no matrix, but w \(1000, 1000\)"):
        read_matrices(path)


HEADER = {"w": {"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 48]}}
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F64", "BF16", "I8", "F4", "BOOL", "x", 3]),
        "shape": st.sampled_from([[2, 3], [6], [], [2**40, 2**40], [-1], "x", [0, 3]]),
        "data_offsets": st.sampled_from([[0, 48], [48, 0], [0, 10**12], [0], [-5, 48], "x"]),
    },
)


@fuzzed(120, st.dictionaries(WORDS, TENSORS, max_size=2), st.none() | DAMAGE)
def test_safetensors(confined, tensors, damage) -> None:
    pytest.importorskip("safetensors", reason="the extra `weights` is not installed")
    path = confined / "w.safetensors"
    header = json.dumps(HEADER | tensors).encode()
    content = struct.pack("<Q", len(header)) + header + MATRIX.tobytes()
    path.write_bytes(content if damage is None else damaged(content, damage))
    measured(path)


def test_names_out_of_a_file_are_drawn_as_they_are(confined, bnproof) -> None:
    weights = {"a$b$": MATRIX, "$": MATRIX, "<b>&": MATRIX, "\x1b[2J": MATRIX, "_x\\frac{": MATRIX}
    np.savez(confined / "w.npz", **weights)
    status, out, err = bnproof("spectrum", "--from", "w.npz", "--out", "s.svg", "--out", "s.json")
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    drawn = (confined / "s.svg").read_text(encoding="utf-8")
    assert "a$b$" in drawn
    assert "&lt;b&gt;&amp;" in drawn
    assert "\x1b" not in drawn


# --- folders of runs ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run with a checkpoint after its first step."""
    root = tmp_path_factory.mktemp("begun")
    assert train(RECIPE, MAP, root=root, until=1) is None
    return root


STATES = st.sampled_from(
    [
        {"state": {}, "metrics": 0},
        {"state": [], "metrics": 0},
        {"metrics": 0},
        {"state": {"model": 1}, "metrics": -5},
        {"state": {"model": 1}, "metrics": 10**9},
        {"state": {"model": {}, "optimiser": {}, "progress": {"x": 1}}, "metrics": 0},
        [1, 2],
        torch.ones(2),
        Evil(),
    ]
)


@fuzzed(100, STATES | DAMAGE)
def test_checkpoints(begun, confined, change) -> None:
    """Also with the right hash, which whoever writes a file can compute."""
    root = confined / "runs"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(begun, root)
    (path,) = root.glob("*/checkpoint-*")
    if isinstance(change, list) and change and isinstance(change[0], tuple):
        content = damaged(path.read_bytes(), change)
    else:
        file = io.BytesIO()
        torch.save(change, file)
        content = file.getvalue()
    path.unlink()
    (path.parent / f"checkpoint-000000001-{digest(content)}.pt").write_bytes(content)
    result, said = None, ""
    try:
        result = train(RECIPE, MAP, root=root)
    except UserError as error:
        said = str(error)
    if result is None:
        assert "checkpoint was written by a different version" in said
    else:
        assert [row["step"] for row in result["curve"]] == [0, 1, 2]
    assert not Path("unpickled").exists()


@fuzzed(60, st.sampled_from(["config.json", "metrics.jsonl"]), DAMAGE)
def test_files_of_a_run(begun, confined, name, damage) -> None:
    root = confined / "runs"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(begun, root)
    (path,) = root.glob(f"*/{name}")
    path.write_bytes(damaged(path.read_bytes(), damage))
    for work in (
        lambda: train(RECIPE, MAP, root=root)["curve"][-1]["step"],
        lambda: list(training_runs(root)),
    ):
        try:
            assert work()
        except UserError as error:
            one_line(error)


@fuzzed(
    60,
    st.dictionaries(st.sampled_from(["ids", "scale", "seeds", "data", "precision", "x"]), VALUES),
    DAMAGE,
)
def test_requests_of_a_folder(confined, fields, damage) -> None:
    folder = confined / "requests"
    shutil.rmtree(folder, ignore_errors=True)
    Request(("a",), "smoke", None, 0, None, "cpu").keep(confined)
    (path,) = folder.iterdir()
    text = canonical(json.loads(path.read_text()) | fields).encode()
    path.unlink()
    (folder / f"{digest(text)}.json").write_bytes(text)  # with the right hash
    (folder / "0.json").write_bytes(damaged(text, damage))
    with pytest.raises(UserError) as caught:
        requests(confined)
    one_line(caught.value)


def test_a_planted_link_is_not_written_through(begun, confined) -> None:
    (folder,) = begun.iterdir()
    target = confined / "target"
    target.write_text("mine")
    for name in ("metrics.jsonl", "lock", "config.json"):
        root = confined / name
        shutil.copytree(begun, root)
        (root / folder.name / name).unlink()
        (root / folder.name / name).symlink_to(target)
        with pytest.raises(UserError, match="is a link; no run writes one"):
            train(RECIPE, MAP, root=root)
    assert target.read_text() == "mine"


@fuzzed(60, VALUES)
def test_results_of_a_run(confined, value) -> None:
    run = RunFolder(confined / "runs", {"a": 1})
    run.folder.mkdir(parents=True, exist_ok=True)
    text = canonical(value)
    whole = {"sha256": digest(text.encode()), "result": value}
    (run.folder / "result.json").write_text(json.dumps(whole))
    if isinstance(value, dict):
        assert run.result() == value
    else:
        with pytest.raises(UserError, match="was changed after it was"):
            run.result()


# --- evidence and derivations ---------------------------------------------------------------------

CLAIM = {
    "id": "first",
    "title": "A title.",
    "sources": [{"document": "A18", "locator": "Theorem 4.1"}],
    "statement": "x \\le y",
    "relation": {"latex": "x", "text": "x"},
    "domain": None,
    "control": {"latex": "x", "text": "x"},
    "remark": "",
    "reads": None,
    "corrects": [],
    "credit": {"first": "A. Author (2020)"},
    "verdict": "proved",
    "setting": None,
    "expected": "proved",
    "as_expected": True,
    "error": None,
    "steps": [{"words": "w", "latex": "x", "text": "x", "kind": "given"}],
    "evidence": [
        {
            "kind": "random instances",
            "holds": True,
            "control_differs": True,
            "summary": "s",
            "numbers": {"n": 1, "by size": {"2": 0.5}, "rows": [{"a": 1.0}]},
            "provenance": {"seed": 0},
            "certificate": None,
        }
    ],
    "figure": None,
    "seconds": 1.0,
}


def places(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in items:
        found.append((*before, key))
        if isinstance(item, dict | list):
            found += places(item, (*before, key))
    return found


def evidence() -> dict[str, Any]:
    content = document.document([CLAIM], Settings(), "bnproof verify", 1)
    return json.loads(json.dumps(content)) | {"normalizers": []}


@fuzzed(120, st.data())
def test_evidence(confined, bnproof, data) -> None:
    """Sealed again after each change, so that it comes as far as the page."""
    content = evidence()
    for _ in range(data.draw(st.integers(1, 2))):
        *path, last = data.draw(st.sampled_from(places(content)))
        holder = content
        for key in path:
            holder = holder[key]
        if isinstance(holder, str | int | float | bool) or holder is None:
            continue
        holder[last] = data.draw(VALUES)
    document.save(content, confined / "evidence.json")
    status, _, err = bnproof("report", ".")
    assert status in (0, 2)
    page = confined / "index.html"
    if status == 0:
        html = page.read_text(encoding="utf-8")
        assert "<script>alert" not in html
        page.unlink()
    else:
        assert not page.exists(), err


@fuzzed(60, DAMAGE)
def test_changed_evidence_is_named(confined, bnproof, damage) -> None:
    path = confined / "evidence.json"
    document.save(evidence(), path)
    before = json.loads(path.read_text())
    path.write_bytes(damaged(path.read_bytes(), damage))
    try:
        same = json.loads(path.read_text(encoding="utf-8")) == before  # spaces between, say
    except ValueError:
        same = False
    status, _, err = bnproof("report", ".")
    assert status == (0 if same else 2)
    assert same or "evidence.json" in err


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 100_000, "[" * 70 + "]" * 70, "NaN", "9" * 9000])
def test_json_that_is_too_deep_or_none(confined, bnproof, text) -> None:
    (confined / "evidence.json").write_text(text)
    status, _, err = bnproof("report", ".")
    assert status == 2
    assert "evidence.json" in err


@pytest.mark.parametrize("depth", [30, 60])
def test_evidence_that_is_nested(confined, bnproof, depth) -> None:
    content = evidence()
    inner: Any = 1
    for _ in range(depth - 10):
        inner = {"a": [inner]} if depth < 40 else [inner]
    content["claims"][0]["evidence"][0]["numbers"]["deep"] = inner
    document.save(content, confined / "evidence.json")
    assert bnproof("report", ".")[0] in (0, 2)


TOKENS = st.sampled_from(
    [
        *("Symbol('x')", "Integer(2)", "Pow(", "Add(", "factorial(", ")", ",", "Integer(10)"),
        *("__import__", "Rational(1, 0)", "Mul(", "lambda: 0", "Symbol('x', real=True)", "1e9"),
        *("'s'", "(", "oo", "-1"),
    ]
)


@fuzzed(100, st.lists(TOKENS, min_size=1, max_size=9).map("".join))
def test_expressions(confined, text) -> None:
    with suppress(ValueError):
        assert isinstance(expressions.loads(text), sp.Basic | int | str)


@pytest.mark.parametrize(
    "text",
    [
        "Pow(Integer(10), Integer(10000000000))",
        "factorial(Integer(100000000))",
        "Pow(Pow(Pow(Integer(9), Integer(999)), Integer(999)), Integer(999))",
        "Add(" * 5000 + ")" * 5000,
        "(" * 100_000,
    ],
)
def test_expressions_that_would_not_end(confined, text) -> None:
    with pytest.raises(ValueError, match=r"too large a number|not an expression"):
        expressions.loads(text)


def test_expressions_within_the_limits_are_read() -> None:
    assert expressions.LARGEST_POWER < expressions.LARGEST
    for text in ("Pow(Symbol('x'), Integer(1000))", "Rational(-123456789, 10000019)"):
        assert expressions.dumps(expressions.loads(text)) == text


@fuzzed(40, VALUES)
def test_cache_entries(confined, value) -> None:
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        cache.from_json(value)


# --- command lines --------------------------------------------------------------------------------

COMMANDS = st.sampled_from(
    [
        *(
            "claims",
            "show",
            "derive",
            "verify",
            "report",
            "attack",
            "check-layer",
            "spectrum",
            "sweep",
        ),
        *("tensorboard", "experiment", "experiment list", "experiment show", "experiment run"),
        *("experiment resume", "experiment status", "", "nonsense"),
    ]
)
OPTIONS = st.sampled_from(
    [
        *("--json", "--seed", "--scale", "--memory", "--data", "--report", "--claims", "--device"),
        *(
            "--out",
            "--factors",
            "--size",
            "--widths",
            "--from",
            "--layers",
            "--figure",
            "--repeats",
        ),
        *("--norm", "--activation", "--batch", "--heads", "--image"),
        *("--jobs", "--threads", "--retries", "--time-limit", "--minutes", "--seeds", "--steps"),
        *(
            "--restarts",
            "--shape",
            "--as",
            "--eps",
            "--to",
            "--format",
            "--help",
            "--version",
            "-x",
        ),
    ]
)
ARGUMENTS = st.sampled_from(
    [
        *(
            "bn_jacobian",
            "no_such",
            "bjorck_fig6",
            "-1",
            "0",
            "1e999",
            "nan",
            "batch",
            "relu",
            "9" * 40,
            "1,2",
            "x.svg",
        ),
        *("x.json", "file", "file/below", "none.toml", "w.npz", "os:getcwd", ":", "a:b", "smoke"),
        *("cpu", "32M", "1e9T", "", "\udcff.json", "é", "y" * 300, "-", "{}", "[]", "\n", "text"),
    ]
)


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command line that is understood stops where the work begins."""

    def stop(*_: Any, **__: Any) -> Any:
        raise UserError("understood")

    for name in (
        *(
            "bnproof.scheduler.options.Workers.start",
            "bnproof.simulate.search.ascent.attack",
            "bnproof.derive.lines",
        ),
        "bnproof.simulate.random_matrices.spectra.spectrum.sampled",
        "bnproof.simulate.random_matrices.spectra.jacobians.jacobians",
        "bnproof.simulate.layer_checks.measure.check_layer",
    ):
        monkeypatch.setattr(name, stop)


@fuzzed(200, COMMANDS, st.lists(OPTIONS | ARGUMENTS, max_size=5))
def test_command_lines(confined, idle, bnproof, command, words) -> None:
    (confined / "file").write_text("in the way")
    (confined / "w.npz").write_bytes(b"no archive")
    arguments = [*command.split(), *words]
    if command == "verify" and not {"bn_jacobian", "no_such", "bjorck_fig6"} & set(words):
        arguments.append("bn_jacobian")  # all claims would take long
    bnproof(*arguments)
    assert (confined / "file").read_text() == "in the way"
    for path in confined.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def test_numbers_that_json_has_not_are_no_numbers() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        with_checksum({"x": math.nan})
