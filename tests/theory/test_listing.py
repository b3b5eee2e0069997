"""Claims read from their files without running them; that the catalogue's are is tested there."""

from pathlib import Path

import pytest

from bnproof.theory import listing
from bnproof.theory.claims.weights import santurkar_4_5
from bnproof.theory.listing import Entry, read
from bnproof.theory.sources import Source

WHOLE = """
raise SystemExit("this file is read, not run")
from bnproof.theory.claim import Claim, Counterexample, Proof, RandomTest, Verdict
from bnproof.theory.claims.weights.santurkar_4_5 import STATEMENT
from bnproof.theory.sources import Source

SOURCES: Final = (Source("S1", "section 3"), Source("S3", "figure 1"))
FIRST = "A remark "
CASE = Counterexample.of(y=[1, 2], b=[0, 1])


def shared(number: int) -> RandomTest:
    return RandomTest(sizes=(number,))


CLAIM = Claim(
    id="own",
    title="A title " "in two parts.",
    sources=SOURCES,
    statement=STATEMENT,
    relation=sp.Eq(a, b),
    checks=(CASE, Proof(prove), shared(3)),
    expected=Verdict.NOT_REPRODUCED,
    remark=FIRST + "in two parts.",
)
"""


def write(folder: Path, *changes: tuple[str, str]) -> Path:
    text = WHOLE
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / "own.py").write_text(text)
    return folder / "own.py"


def test_a_file_is_read_and_not_run(tmp_path: Path) -> None:
    assert read(write(tmp_path)) == Entry(
        id="own",
        title="A title in two parts.",
        sources=(Source("S1", "section 3"), Source("S3", "figure 1")),
        statement=santurkar_4_5.STATEMENT,
        expected="not reproduced",
        checks=("Counterexample", "Proof", "RandomTest"),
        symbolic=True,
        remark="A remark in two parts.",
    )


def test_what_may_be_left_out(tmp_path: Path) -> None:
    found = read(
        write(
            tmp_path,
            ("    relation=sp.Eq(a, b),\n", ""),
            ('    remark=FIRST + "in two parts.",\n', ""),
            ("    statement=STATEMENT,\n", ""),
        )
    )
    assert found is not None
    assert (found.symbolic, found.statement, found.remark) == (False, "", "")


def test_a_remark_that_is_computed_is_left_open(tmp_path: Path) -> None:
    found = read(write(tmp_path, ("FIRST +", "str(1) +")))
    assert found is not None
    assert found.remark is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("CLAIM = ", "OTHER = "),
        ("CLAIM = Claim(", "CLAIM = (\n"),
        ('id="own"', 'id="another"'),
        ('id="own"', 'id=f"{FIRST}"'),
        ('    title="A title " "in two parts.",\n', ""),
        ("statement=STATEMENT", "statement=NOTHING"),
        ("statement=STATEMENT", "statement=listing.STATEMENT"),
        ('Source("S1", "section 3")', 'Source("S9", "section 3")'),
        ("shared(3)", "unknown(3)"),
        ("-> RandomTest", ""),
        ("checks=(CASE,", "checks=(*CASE,"),
    ],
)
def test_what_only_running_the_file_tells(tmp_path: Path, before: str, after: str) -> None:
    assert read(write(tmp_path, (before, after))) is None


def test_a_file_that_is_not_there() -> None:
    assert read(Path("no/such/file.py")) is None


def test_modules_that_are_read_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing._imported.cache_clear()
    path = write(tmp_path)
    read(path)
    before = listing._imported.cache_info().misses
    read(path)
    assert listing._imported.cache_info().misses == before
