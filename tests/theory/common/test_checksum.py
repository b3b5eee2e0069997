"""JSON read within limits, and the seal that shows a change."""

import json

import pytest

from bnproof.theory.common.checksum import DEEPEST, checksum_matches, parse, with_checksum


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_as_many_levels_as_said_and_no_more() -> None:
    assert parse(nested(DEEPEST)) is not None
    for depth in (DEEPEST + 1, 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse(nested(depth))


def test_a_change_is_seen() -> None:
    whole = with_checksum({"a": [1, 2.5, None], "b": {"c": "d"}})
    assert checksum_matches(json.loads(json.dumps(whole)))
    assert not checksum_matches(whole | {"a": [1, 2.5, 0]})
    assert not checksum_matches({"a": 1})
    assert not checksum_matches([whole])
