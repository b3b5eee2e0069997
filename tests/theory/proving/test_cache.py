"""The cache of derivations: used when it holds, lost without harm, never believed blindly."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bnproof.theory import prove as derived
from bnproof.theory.claim import Claim, Proof, Settings
from bnproof.theory.claims.gradient import slides_4_1
from bnproof.theory.common.checksum import SEAL, with_checksum
from bnproof.theory.proving import cache
from bnproof.theory.proving.derivation import DerivationResult


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BNPROOF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


CALLS: list[None] = []  # one for each time that `prove` was carried out


def prove() -> DerivationResult:
    CALLS.append(None)
    return slides_4_1.prove()


@pytest.fixture
def claim() -> Claim:
    CALLS.clear()
    return replace(slides_4_1.CLAIM, checks=(Proof(prove), *slides_4_1.CLAIM.checks[1:]))


def test_the_second_time_nothing_is_derived(folder: Path, claim: Claim) -> None:
    first, second = (derived.check(claim, Settings()) for _ in range(2))
    assert len(CALLS) == 1
    assert first == second
    assert first.series == second.series
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"steps": 3}', "not json"])
def test_a_damaged_entry_is_derived_anew(folder: Path, claim: Claim, content: str) -> None:
    derived.check(claim, Settings())
    (path,) = folder.iterdir()
    path.write_text(content)
    assert derived.check(claim, Settings()).holds
    assert len(CALLS) == 2


@pytest.mark.parametrize("sealed_again", [False, True])
def test_a_tampered_entry_is_not_believed(folder: Path, claim: Claim, sealed_again: bool) -> None:
    derived.check(claim, Settings())
    (path,) = folder.iterdir()
    content = json.loads(path.read_text())
    del content[SEAL]
    content["slack"][0]["term"] = "Integer(0)"
    path.write_text(json.dumps(with_checksum(content) if sealed_again else content))
    assert derived.check(claim, Settings()).holds
    assert len(CALLS) == 2


def test_no_cache_and_a_folder_that_refuses_do_no_harm(
    tmp_path: Path, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BNPROOF_CACHE", "")
    assert derived.check(claim, Settings()).holds
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BNPROOF_CACHE", str(tmp_path / "file" / "below"))
    assert derived.check(claim, Settings()).holds
    assert len(CALLS) == 2


def test_where_entries_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BNPROOF_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "bnproof"
    monkeypatch.setenv("BNPROOF_CACHE", "")
    assert cache.folder() is None


def test_another_version_or_source_is_another_entry(
    folder: Path, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived.check(claim, Settings())
    monkeypatch.setattr(cache.sp, "__version__", "0.0")
    derived.check(claim, Settings())
    monkeypatch.setattr(cache, "_sources", lambda: b"other sources")
    derived.check(claim, Settings())
    assert len(CALLS) == 3
    assert len(list(folder.iterdir())) == 3


def test_what_has_no_name_of_its_own_is_not_kept(folder: Path, claim: Claim) -> None:
    def factory(number: int) -> Callable[[], DerivationResult]:
        return lambda: replace(prove(), equality=str(number))

    for spec in (factory(1), factory(2), partial(prove)):
        assert derived.check(replace(claim, checks=(Proof(spec), *claim.checks[1:])), Settings())
    assert len(CALLS) == 3
    assert not folder.exists()
