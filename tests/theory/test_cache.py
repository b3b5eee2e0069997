"""The cache of derivations: used when it holds, lost without harm, never believed blindly."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from theory import cache, derived
from theory.claim import Claim, Derived, Settings
from theory.claims import slides_4_1
from theory.proof import Proof


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BNPROOF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Counting:
    """A derivation that counts how often it is carried out."""

    def __init__(self) -> None:
        self.calls = 0
        self.__qualname__ = "prove"

    def __call__(self) -> Proof:
        self.calls += 1
        return slides_4_1.prove()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> tuple[Claim, Counting]:
    prove = Counting()
    monkeypatch.setattr(cache.inspect, "getsourcefile", lambda _: slides_4_1.__file__)
    means = (Derived(prove), *slides_4_1.CLAIM.means[1:])
    return replace(slides_4_1.CLAIM, means=means), prove


def test_the_second_time_nothing_is_derived(folder: Path, counted: tuple[Claim, Counting]) -> None:
    claim, prove = counted
    first, second = (derived.check(claim, Settings()) for _ in range(2))
    assert prove.calls == 1
    assert first == second
    assert first.series == second.series
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"steps": 3}', "not json"])
def test_a_damaged_entry_is_derived_anew(
    folder: Path, counted: tuple[Claim, Counting], content: str
) -> None:
    claim, prove = counted
    derived.check(claim, Settings())
    (path,) = folder.iterdir()
    path.write_text(content)
    assert derived.check(claim, Settings()).holds
    assert prove.calls == 2


def test_a_tampered_entry_is_not_believed(folder: Path, counted: tuple[Claim, Counting]) -> None:
    claim, prove = counted
    derived.check(claim, Settings())
    (path,) = folder.iterdir()
    content = json.loads(path.read_text())
    content["slack"][0]["term"] = "Integer(0)"
    path.write_text(json.dumps(content))
    assert derived.check(claim, Settings()).holds
    assert prove.calls == 2


def test_no_cache_and_a_folder_that_refuses_do_no_harm(
    tmp_path: Path, counted: tuple[Claim, Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, prove = counted
    monkeypatch.setenv("BNPROOF_CACHE", "")
    assert derived.check(claim, Settings()).holds
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BNPROOF_CACHE", str(tmp_path / "file" / "below"))
    assert derived.check(claim, Settings()).holds
    assert prove.calls == 2


def test_where_entries_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BNPROOF_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "bnproof"
    monkeypatch.setenv("BNPROOF_CACHE", "")
    assert cache.folder() is None


def test_another_version_or_source_is_another_entry(
    folder: Path, counted: tuple[Claim, Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, prove = counted
    derived.check(claim, Settings())
    monkeypatch.setattr(cache.sp, "__version__", "0.0")
    derived.check(claim, Settings())
    monkeypatch.setattr(cache, "_sources", lambda: b"other sources")
    derived.check(claim, Settings())
    assert prove.calls == 3
    assert len(list(folder.iterdir())) == 3
