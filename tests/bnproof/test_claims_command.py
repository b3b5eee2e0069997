"""`bnproof claims`: a table, or JSON on request; a broken user-defined claim is a fault."""

import json
from pathlib import Path

import pytest

from bnproof import cli

BROKEN = "this is no Python\n"


@pytest.mark.parametrize("options", [{}, {"json": True}])
@pytest.mark.parametrize("broken", [False, True])
def test_the_form_is_what_was_asked_for_and_the_status_tells_of_broken_claims(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict, broken: bool
) -> None:
    if broken:
        (tmp_path / "mine.py").write_text(BROKEN)
    status = cli.claims(**options, claims=tmp_path if broken else None)
    out = capsys.readouterr().out
    assert status == int(broken)
    if not options:
        first = out.splitlines()[0]
        assert not first.startswith(("[", "{"))
        assert ("mine" in out and "error" in out) is broken
        return
    entries = {entry["id"]: entry for entry in json.loads(out)}
    assert ("mine" in entries and "error" in entries["mine"]) is broken
    assert "santurkar_4_1" in entries
