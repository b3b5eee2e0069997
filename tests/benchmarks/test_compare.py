"""The table of ratios: README.md shows what was measured, and a missing peer is never hidden."""

from dataclasses import replace
from pathlib import Path

import pytest

compare = pytest.importorskip("benchmarks.compare", reason="the sources are not here")

from benchmarks.comparisons.row import Row  # noqa: E402

pytestmark = pytest.mark.sources

ROW = Row("some|work", 0.5, 2.0, "a peer 1.0", 3.0, "exact")
TABLE = compare.Table("a processor", "2.6", "2026-11-21", "abc1234", 0.25, [ROW])


def test_readme_shows_what_was_measured(root: Path) -> None:
    table = compare.Table.from_json(compare.MEASURED.read_text(encoding="utf-8"))
    assert table.markdown() in (root / "README.md").read_text(encoding="utf-8")
    assert len(table.rows) == sum(len(compare.comparisons(name)) for name in compare.names())
    assert all(row.theirs is not None for row in table.rows)


def test_a_table_reads_back_as_it_was_written() -> None:
    assert compare.Table.from_json(TABLE.to_json()) == TABLE


def test_a_line_states_times_ratio_and_promise() -> None:
    assert compare.line(ROW) == r"| some\|work | 0.5 s | a peer 1.0 | 2 s | **4.0** | 3 | exact |"
    assert compare.line(replace(ROW, theirs=700.0)).split(" | ")[4] == "**1,400**"
    assert compare.line(replace(ROW, theirs=0.1)).split(" | ")[4] == "**0.2**"
    assert " missing " in compare.line(replace(ROW, theirs=None))


def test_what_ran_beside_is_stated() -> None:
    assert "0.2 other processes running on average" in TABLE.markdown()
    assert "other processes" not in replace(TABLE, load=None).markdown()


def test_a_kept_table_stands_in_the_readme(tmp_path: Path) -> None:
    readme, measured = tmp_path / "README.md", tmp_path / "measured.json"
    readme.write_text("before <!-- compare -->old<!-- /compare --> after")
    compare.keep(TABLE, measured, readme)
    assert TABLE.markdown() in readme.read_text()
    assert "old" not in readme.read_text()
    assert compare.Table.from_json(measured.read_text()) == TABLE


def test_nothing_is_kept_where_a_peer_is_missing(tmp_path: Path) -> None:
    readme, measured = tmp_path / "README.md", tmp_path / "measured.json"
    readme.write_text("before <!-- compare -->old<!-- /compare --> after")
    table = replace(TABLE, rows=[ROW, replace(ROW, theirs=None, peer="another")])
    with pytest.raises(SystemExit, match="another is not installed"):
        compare.keep(table, measured, readme)
    assert "old" in readme.read_text()
    assert not measured.exists()


def test_every_comparison_has_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    real = compare.subprocess.run

    def run(command: list[str], **options: object) -> object:
        ran.append(command)
        code = "import json, os; print(json.dumps(dict(what=os.environ['OMP_NUM_THREADS'], "
        code += "ours=1.0, theirs=2.0, peer='p')))"
        return real([command[0], "-c", code], **options)

    monkeypatch.setattr(compare.subprocess, "run", run)
    monkeypatch.setattr(compare, "processor", lambda: "a processor")
    monkeypatch.setattr(compare, "git", lambda *arguments: "abc1234")
    monkeypatch.setattr(compare, "comparisons", lambda module: {"a": None, "b": None})
    table = compare.run(["law", "networks"])
    assert [command[-2:] for command in ran] == [
        ["law", "a"],
        ["law", "b"],
        ["networks", "a"],
        ["networks", "b"],
    ]
    assert [row.what for row in table.rows] == ["1"] * 4  # one thread each


@pytest.mark.parametrize("name", ["curvature", "law", "networks", "spectra", "training"])
def test_every_module_names_its_comparisons(name: str) -> None:
    assert name in compare.names()
    assert all(callable(function) for function in compare.comparisons(name).values())
