"""Path data: what is written is what was read, to the rounding stated."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnproof.report.svg_paths import TOLERANCE, Segment, moved, numbers, parsed, thinned, written

PLACE = st.builds(complex, *2 * [st.floats(-999, 999, allow_subnormal=False)])
PIECE = st.sampled_from("LQC").flatmap(
    lambda symbol: st.tuples(
        st.just(symbol), st.tuples(*{"L": 1, "Q": 2, "C": 3}[symbol] * [PLACE])
    )
)
PATH = st.builds(
    lambda start, pieces, close: (("M", (start,)), *pieces, *[("z", ())] * close),
    PLACE,
    st.lists(PIECE, max_size=6),
    st.integers(0, 1),
)


def drawn(data: str) -> list[Segment]:
    """What a renderer makes of short path data: absolute segments, by its own reading."""
    sizes = {"M": 2, "h": 1, "v": 1, "l": 2, "q": 4, "c": 6}
    found: list[Segment] = []
    here = start = 0j
    for symbol, rest in re.findall(r"([Mhvlqcz])([^Mhvlqcz]*)", data):
        values = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", rest)]
        if symbol == "z":
            found.append(("z", ()))
            here = start
            continue
        for at in range(0, len(values), sizes[symbol]):
            part = values[at : at + sizes[symbol]]
            if symbol in "hv":
                part = [part[0], 0] if symbol == "h" else [0, part[0]]
            origin = 0j if symbol == "M" else here
            points = tuple(map(complex, part[::2], part[1::2]))
            points = tuple(origin + point for point in points)
            here = points[-1]
            start = here if symbol == "M" else start
            found.append((symbol.upper().replace("H", "L").replace("V", "L"), points))
    return found


@settings(deadline=None)
@given(PATH, st.sampled_from([0, 1]))
def test_what_is_written_is_what_was_meant(path: tuple[Segment, ...], decimals: int) -> None:
    found = drawn(written(path, decimals))
    assert [symbol for symbol, _ in found] == [symbol for symbol, _ in path]
    off = 0.5 * 10**-decimals * 2**0.5 + 1e-6
    for (_, points), (_, meant) in zip(found, path, strict=True):
        assert all(abs(a - b) <= off for a, b in zip(points, meant, strict=True))


def test_path_data_are_read_in_the_unit() -> None:
    assert parsed("M 1 2 L 3e1 -4.5 Q 0 1 2 3 z", 10) == (
        ("M", (10 + 20j,)),
        ("L", (300 - 45j,)),
        ("Q", (10j, 20 + 30j)),
        ("z", ()),
    )


@pytest.mark.parametrize("data", ["M 1", "L 1 2 3", "M 1 2 A 3 4", "<b>", "M 1 2 h 3"])
def test_other_path_data_are_refused(data: str) -> None:
    with pytest.raises(ValueError, match="path data"):
        parsed(data, 1)


def test_a_path_is_turned_and_then_moved() -> None:
    assert moved([("L", (1 + 0j,))], by=5, turn=1j) == (("L", (5 + 1j,)),)


def test_numbers_take_few_characters() -> None:
    assert numbers([1, -2, 0.5, -0.5, 3.04, -0.01]) == "1-2 .5-.5 3 0"


def distance(point: complex, start: complex, end: complex) -> float:
    """From a point to a piece of a line, by trying many points of it."""
    return min(abs(point - start - (end - start) * step / 400) for step in range(401))


@settings(max_examples=30, deadline=None)
@given(st.lists(PLACE, min_size=2, max_size=30))
def test_a_thinned_line_passes_every_point(points: list[complex]) -> None:
    path = [("M", (points[0],)), *(("L", (point,)) for point in points[1:])]
    kept = [where[0] for _, where in thinned(path)]
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert set(kept) <= set(points)
    ends = list(itertools.pairwise(kept)) or [(kept[0], kept[0])]
    for point in points:
        step = max(abs(b - a) for a, b in ends) / 400
        assert min(distance(point, *piece) for piece in ends) <= TOLERANCE + step


def test_a_straight_line_keeps_its_ends_alone() -> None:
    path = [("M", (0j,)), *(("L", (complex(x, 0.3 * (x % 2)),)) for x in range(1, 100)), ("z", ())]
    assert len(list(thinned(path))) <= 4
