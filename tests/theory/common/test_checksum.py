"""JSON read within limits, and the seal that shows a change."""

import json

import pytest

from bnproof.theory.common.checksum import DEEPEST, intact, parse, sealed


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_as_many_levels_as_said_and_no_more() -> None:
    assert parse(nested(DEEPEST)) is not None
    for depth in (DEEPEST + 1, 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse(nested(depth))


def test_a_change_is_seen() -> None:
    whole = sealed({"a": [1, 2.5, None], "b": {"c": "d"}})
    assert intact(json.loads(json.dumps(whole)))
    assert not intact(whole | {"a": [1, 2.5, 0]})
    assert not intact({"a": 1})
    assert not intact([whole])
