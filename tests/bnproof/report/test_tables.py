"""Numbers of evidence as tables, whatever their form."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bnproof.report.tables import columns, plain, tables
from bnproof.report.tables import settings as where


def test_numbers_are_readable() -> None:
    assert [plain(x) for x in (True, 12345, 0.123456, 1e-15, None, "x")] == [
        *("yes", "12,345", "0.1235", "1e-15", "not finite", "x")
    ]
    assert plain(list(range(54))).endswith("5, … (54 in all)")
    assert columns([{"a": 1, "b": 2}, {"a": 3, "b": 4}]) == ["a", "b"]
    assert columns({"x": {"a": {"deep": 1}}}) == columns([1]) == columns([{"a": 1}, {"b": 1}]) == []


def test_numbers_of_any_depth_become_tables() -> None:
    whole = {"n": 3, "none": [], "by size": {"2": 0.5}, "deep": {"er": {"rows": [[1], {"x": 2}]}}}
    nets = {"a": {"median": [1, 2.5], "largest": 3}, "b": {"median": 0, "largest": None}}
    plain_ones, grid = tables({**whole, "measured": nets})
    assert plain_ones.rows == [
        *(("n", "3"), ("by size", "2: 0.5")),
        *(("deep: er: rows: 1", "1"), ("deep: er: rows: 2", "x: 2")),
    ]
    assert grid.caption == "measured"
    assert grid.heads == ("name", "median", "largest")
    assert grid.rows == [("a", "1, 2.5", "3"), ("b", "0", "not finite")]
    assert tables({}) == tables({"empty": {}}) == []


TREE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=3), TREE, max_size=4))
def test_whatever_the_numbers_rows_are_of_one_length(numbers: dict[str, Any]) -> None:
    for table in tables(numbers):
        assert len({len(row) for row in table.rows}) == 1
        assert table.heads == () or len(table.heads) == len(table.rows[0])


def test_where_numbers_come_from_is_said_once() -> None:
    known = ({"scale": "quick"}, {"device": "cpu"})
    own = {"scale": "paper", "device": "cpu", "commit": "abc", "empty": []}
    assert where(own, known) == "scale: paper; commit: abc"


def test_a_criterion_that_is_open_is_undecided_and_an_interval_has_ends() -> None:
    row = {"words": "growth", "interval": [1.0, None], "satisfied": None, "control satisfied": True}
    (table,) = tables({"criteria": [row]})
    assert table.rows == [("growth", "1 to not finite", "undecided", "yes")]
