"""The cache of derivations: used when it holds, lost without harm, never believed blindly."""

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bnproof.theory import prove as derived
from bnproof.theory.claim import Claim, Proof, Settings
from bnproof.theory.claims.gradient import santurkar_4_1, slides_4_1
from bnproof.theory.common.checksum import SEAL, with_checksum
from bnproof.theory.common.code import reached
from bnproof.theory.proving import cache
from bnproof.theory.proving.derivation import DerivationResult


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BNPROOF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


PROVING = Path(cache.__file__).parent
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
@pytest.mark.parametrize(
    "changes",
    [
        {"slack": [{"term": "Integer(0)", "because": "", "lemma": ""}]},
        {"slack": [{"term": "__import__('os')", "because": "", "lemma": ""}]},
        {"steps": []},
        {"steps": [{"words": "So it holds", "kind": "obvious"}]},
        {"steps": [{"words": "So it holds", "kind": "given"}]},
    ],
)
def test_a_tampered_entry_is_not_believed(
    folder: Path, claim: Claim, changes: dict, sealed_again: bool
) -> None:
    derived.check(claim, Settings())
    (path,) = folder.iterdir()
    content = json.loads(path.read_text())
    del content[SEAL]
    content |= changes
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
    monkeypatch.setattr(cache, "code_hash", lambda *modules, within: "other code")
    derived.check(claim, Settings())
    assert len(CALLS) == 3
    assert len(list(folder.iterdir())) == 3


def test_what_has_no_name_of_its_own_is_not_kept(folder: Path, claim: Claim) -> None:
    def factory(number: int) -> Callable[[], DerivationResult]:
        return lambda: replace(prove(), rests_on=(str(number),))

    for spec in (factory(1), factory(2), partial(prove)):
        assert derived.check(replace(claim, checks=(Proof(spec), *claim.checks[1:])), Settings())
    assert len(CALLS) == 3
    assert not folder.exists()


OWN = """
from bnproof.theory.claims.gradient import slides_4_1

FACTOR = 1

def prove():
    return slides_4_1.prove()
"""


@pytest.fixture
def own(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """The name of the entry of a derivation whose file has some text."""
    path = tmp_path / "own_claim.py"

    def name(text: str, helper: str = "") -> str:
        path.write_text(text)
        (tmp_path / "own_helper.py").write_text(helper)
        monkeypatch.setattr(cache, "STARTED", time.time() + 60)
        spec = importlib.util.spec_from_file_location("own_claim", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "own_claim", module)
        monkeypatch.syspath_prepend(tmp_path)
        spec.loader.exec_module(module)
        cache.keep(module.prove, slides_4_1.prove())
        (entry,) = folder.iterdir()
        entry.unlink()
        return entry.name

    return name


def test_an_edit_that_changes_no_code_keeps_the_entry(own: Callable[[str], str]) -> None:
    before = own(OWN)
    words = '"""A docstring."""\n# A comment.\n' + OWN.replace(
        "    return", '    """Derive it."""\n\n    return'
    )
    assert own(words) == before
    assert own(OWN.replace("FACTOR = 1", "FACTOR = 2")) != before


def test_a_module_beside_a_claim_of_ones_own_is_part_of_its_code(own: Callable[..., str]) -> None:
    text = OWN + "import own_helper\n"
    assert own(text, "ONE = 1") == own(text, "ONE = 1  # still")
    assert own(text, "ONE = 1") != own(text, "ONE = 2")


def test_an_edit_of_one_claim_leaves_the_entries_of_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim's own file and the machinery are read, and no other claim's."""
    read: set[str] = set()

    def noted(*modules: str, within: str) -> dict[str, Path]:
        files = reached(*modules, within=within)
        read.update(files)
        return files

    monkeypatch.setattr(cache, "reached", noted)
    cache.recall(santurkar_4_1.prove)
    claims = {name for name in read if "bnproof.theory.claims." in name}
    assert claims == {"bnproof.theory.claims.gradient", santurkar_4_1.__name__}
    machinery = {f"bnproof.theory.proving.{path.stem}" for path in PROVING.glob("[!_]*.py")}
    assert machinery <= read
    assert "bnproof.theory.layer.batchnorm" in read
    assert "bnproof.theory.normalizers.table" not in read


def test_a_file_edited_since_the_process_began_is_not_trusted(
    folder: Path, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "STARTED", 0.0)
    assert derived.check(claim, Settings()).holds
    assert not folder.exists()
