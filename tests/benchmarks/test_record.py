"""The record of results: measured at commits, named neutrally; benchmarks of every layer."""

import json
import math
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("asv", reason="asv is not installed: the extra `dev` has it")
record = pytest.importorskip("benchmarks.record", reason="the sources are not here")

pytestmark = pytest.mark.sources
needs_commits = pytest.mark.skipif(
    not (record.HERE.parent / ".git").exists(), reason="no repository here"
)


def tree_with(folder: Path, **files: str) -> Path:
    (folder / "benchmarks").mkdir(parents=True)
    for name, text in files.items():
        (folder / "benchmarks" / f"{name}.py").write_text(text)
    return folder


def test_benchmarks_that_a_commit_cannot_run_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = tree_with(
        tmp_path / "today",
        __init__="",
        bench_old="import own",
        bench_new="import own\nfrom own import later",
        compare="raise SystemExit",
    )
    monkeypatch.setattr(record, "HERE", today / "benchmarks")
    then = tree_with(tmp_path / "then", bench_gone="")
    (then / "own.py").write_text("")
    assert record.transplant(then) == ["bench_new.py"]
    left = sorted(path.name for path in (then / "benchmarks").glob("*.py"))
    assert left == ["__init__.py", "bench_old.py"]


def test_settings_for_a_commit_keep_results_here(tmp_path: Path) -> None:
    tree = tree_with(tmp_path)
    settings = json.loads(record.configuration(tree).read_text())
    assert settings["benchmark_dir"] == str(tree / "benchmarks")
    assert settings["repo"] == str(record.HERE.parent)
    assert settings["results_dir"] == str(record.HERE / "results")


@needs_commits
def test_a_recorded_result_names_versions_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    # Of the packages, the tree's own are measured, not those that are installed.
    code = "from bnproof import theory\n\nclass A:\n    def track_it(self): return theory.OWN\n"
    package = (record.HERE / "__init__.py").read_text()
    tree = tree_with(tmp_path / "tree", __init__=package, bench_example=code)
    (tree / "src" / "bnproof" / "theory").mkdir(parents=True)
    for package in ("bnproof", "bnproof/theory"):
        (tree / "src" / package / "__init__.py").write_text("OWN = 3")
    config = json.loads(record.CONFIG.read_text())
    config |= {"repo": str(record.HERE.parent), "benchmark_dir": "benchmarks"}
    path = tree / "asv.conf.json"
    path.write_text(json.dumps(config))
    commit = record.git("rev-parse", "HEAD")
    record.register("a-machine")
    assert record.measure(path, commit, record.parse(["--machine", "a-machine"])) == 0
    (found,) = (tree / "results" / "a-machine").glob(f"{commit[:8]}-*.json")
    content = json.loads(found.read_text())
    assert content["results"]["bench_example.A.track_it"][0] == [3]
    assert content["params"]["machine"] == "a-machine"
    assert platform.release() not in found.read_text()
    assert str(tmp_path) not in found.read_text()
    assert record.sys.prefix not in found.read_text()


ROW = ["result", "params", "version"]
WANTED = {
    "a.A.time_a": {"params": [["1", "2"]], "version": "v1"},
    "a.A.track_b": {"params": [], "version": "v1"},
    "version": 2,
}


@pytest.mark.parametrize(
    ("rows", "lacking"),
    [
        ({"a.A.time_a": [[0.1, 0.2], [["1", "2"]], "v1"]}, []),
        ({}, ["a.A.time_a"]),
        ({"a.A.time_a": [None, [["1", "2"]], "v1"]}, ["a.A.time_a"]),  # failed
        ({"a.A.time_a": [[0.1, None], [["1", "2"]], "v1"]}, ["a.A.time_a"]),
        ({"a.A.time_a": [[0.1], [["1"]], "v1"]}, ["a.A.time_a"]),  # a new parameter since
        ({"a.A.time_a": [[0.1, 0.2], [["1", "2"]], "v0"]}, ["a.A.time_a"]),  # other code
    ],
)
def test_holes_in_a_record(rows: dict[str, list], lacking: list[str]) -> None:
    rows = rows | {"a.A.track_b": [[3], [], "v1"]}
    assert record.holes({"result_columns": ROW, "results": rows}, WANTED) == lacking


def test_a_commit_that_cannot_run_a_benchmark_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def checked_out(commit: str) -> Iterator[tuple[Path, list[str]]]:
        yield tmp_path, ["bench_new.py"]

    monkeypatch.setattr(record, "checked_out", checked_out)
    monkeypatch.setattr(record, "measure", pytest.fail)
    assert record.at("0123456789", record.parse([])) == 2
    assert capsys.readouterr().err == (
        "record: 01234567: cannot import bench_new.py, so that the history would have holes; "
        "choose a later commit\n"
    )


def test_asv_has_enough_samples_to_call_a_difference_significant() -> None:
    from asv._stats import is_different

    wide = {"ci_99_a": -math.inf, "ci_99_b": math.inf}
    each = 2 * record.SAMPLES  # two rounds
    before = [1 + number / 1000 for number in range(each)]
    assert is_different(before, [1.2 * value for value in before], wide, wide)
    assert not is_different(before[:5], [1.2 * value for value in before[:5]], wide, wide)


@needs_commits
def test_the_kept_results_name_no_folder_and_no_host() -> None:
    kept = record.git("ls-files", "results").splitlines()
    assert [name for name in kept if not name.endswith("machine.json")]
    for name in kept:
        text = (record.HERE / name).read_text(encoding="utf-8")
        content = json.loads(text)
        if "results" in content:
            assert record.git("cat-file", "-t", content["commit_hash"]) == "commit"
            assert "/" not in content["env_name"] + content["python"]
        assert not any(word in text for word in ("/home/", "/tmp/", "/usr/", "/root/"))


def test_a_name_that_is_no_commit_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert record.main(["no_such_commit"]) == 2
    assert capsys.readouterr().err == "record: not a commit: one of no_such_commit\n"


@needs_commits
def test_a_commit_of_before_the_package_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "register", pytest.fail)
    first = record.git("rev-list", "--max-parents=0", "HEAD").splitlines()[-1]
    if record.has_package(first):
        pytest.skip("a clone without its early commits")
    assert record.main([first, "HEAD"]) == 2
    assert capsys.readouterr().err == (
        f"record: {first[:8]}: predates the package bnproof; choose a later commit\n"
    )
    assert record.has_package("HEAD")
