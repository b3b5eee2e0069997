"""Files of sentences: what they may say, and one line for each mistake."""

from pathlib import Path

import pytest

from bnproof.theory.claim import Claim, RandomTest, Verdict
from bnproof.theory.common.errors import UserError
from bnproof.theory.ledger import book
from bnproof.theory.ledger.verdict import Class

GOOD = """
headings = ["One", "Two"]

[first]
section = "One"
place = "Theorem 1"
quotation = "It holds."
as_printed = ["a"]
readings = ["b"]
correction = ["c"]
slip = "a square is missing"

[second]
section = "Two"
quotation = "It is called so."
definition = true
readings = ["d"]
"""
AGAIN = """
headings = ["There"]

[same]
section = "There"
quotation = "It holds, they say."
repeats = "S0.first"
"""


def folder(path: Path, **files: str) -> Path:
    """A folder of sentences; files not given are good."""
    for name, text in {"S0": GOOD, "S1": AGAIN, **files}.items():
        (path / f"{name}.toml").write_text(text, encoding="utf-8")
    return path


def test_a_folder_of_sentences(tmp_path: Path) -> None:
    read = book.chapters(folder(tmp_path))
    assert list(read) == ["S0", "S1"]
    first, second = read["S0"].sentences
    assert str(first.source) == "S0, One, Theorem 1"
    assert first.claims == ("a", "b", "c")
    assert first.class_by({"a": "refuted", "b": "refuted", "c": "proved"}) is Class.CORRECTED
    assert first.class_by({}) is Class.OPEN
    assert first.still_open({"a": "undecided"}) == "a: undecided; b: not verified"
    assert second.class_by({"d": "refuted"}) is None
    assert read["S1"].sentences[0].repeats == "S0.first"


def test_a_sentence_with_a_part_that_no_claim_covers_does_not_hold(tmp_path: Path) -> None:
    lacking = GOOD.replace('correction = ["c"]\nslip = "a square is missing"', 'missing = "half"')
    first = book.chapters(folder(tmp_path, S0=lacking))["S0"].sentences[0]
    assert first.class_by({"a": "proved", "b": "proved"}) is Class.OPEN
    assert first.class_by({"a": "refuted", "b": "refuted"}) is Class.OPEN


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"It holds."', '""', "S0.toml: first.quotation: is missing"),
        ('section = "Two"\n', "", "S0.toml: second.section: is missing"),
        ('section = "Two"', 'section = "2"', "S0.toml: second.section: '2' is not in `headings`"),
        ("place", "page", "S0.toml: first.page: is not a field"),
        ('place = "Theorem 1"', "place = 1", "S0.toml: first.place: must be of type str"),
        ('["b"]', '"b"', "S0.toml: first.readings: must be of type list"),
        ('["b"]', "[1]", "S0.toml: first.readings: must be a list of claim ids"),
        ('["b"]', '["a"]', "S0.toml: first.readings: a claim is listed twice"),
        ('["d"]', '["a"]', "S0.toml: second.readings: a already reads S0.first"),
        ('slip = "a square is missing"\n', "", "S0.toml: first.slip: is missing"),
        ('correction = ["c"]\n', "", "S0.toml: first.correction: is missing"),
        ("definition = true\n", "", None),
        ('definition = true\nreadings = ["d"]', "", "S0.toml: second.readings: name a claim, or"),
        ('readings = ["d"]', 'as_printed = ["d"]', "S0.toml: second.definition: is neither true"),
        ("[second]", "[second", "S0.toml: is not TOML"),
        ("headings", "third = 1\nheadings", "S0.toml: third: must be a table"),
        ('["One", "Two"]', "1", "S0.toml: headings: must be a list"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_field(
    tmp_path: Path, before: str, after: str, message: str | None
) -> None:
    assert before in GOOD
    place = folder(tmp_path, S0=GOOD.replace(before, after))
    if message is None:
        book.chapters(place)
        return
    with pytest.raises(UserError) as caught:
        book.chapters(place)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("repeats", "message"),
    [
        ('"S0.none"', "S1.toml: same.repeats: S0.none must be a sentence with readings"),
        ('"S1.same"', "S1.toml: same.repeats: S1.same must be a sentence with readings"),
        ('"S0.first"\nreadings = ["e"]', "S1.toml: same.repeats: its readings are those of"),
    ],
)
def test_a_repetition_has_an_original(tmp_path: Path, repeats: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        book.chapters(folder(tmp_path, S1=AGAIN.replace('"S0.first"', repeats)))
    assert str(caught.value).startswith(message)


def test_a_file_of_an_unknown_document(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^S9\.toml: is named after no document"):
        book.chapters(folder(tmp_path, S9=AGAIN))


def test_claims_that_are_missing_or_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {claim: True for one in book.sentences().values() for claim in one.claims}
    assert book.flaws(known) == []
    del known["santurkar_4_4"]
    assert book.flaws(known | {"liu_density_squared": False}) == [
        "S3.toml: theorem_1.correction: liu_density_squared is not proved; "
        "a correction needs a proof",
        "A18.toml: theorem_4_4.as_printed: there is no claim santurkar_4_4",
    ]


def test_a_claim_without_a_sentence_and_a_source() -> None:
    with pytest.raises(ValueError, match=r"^new: sources: it reads no sentence of theory/ledger"):
        Claim(id="new", title="New.", expected=Verdict.PROVED, checks=(RandomTest(),))


def test_a_claim_has_the_places_of_its_sentence() -> None:
    assert [str(one) for one in book.places("noisy_bn")] == [
        "S0, “Noisy” BatchNorm Activations",
        "S1, 3.2 Relation between ICS and improvement of training",
        "S4, Is Internal Covariate Shift Important?",
    ]
    (derived,) = book.places("slides_l2_scale_root")
    assert str(derived) == ("derived, corrected form of S0, Are these effects unique to BatchNorm?")
    assert book.places("bn_hessian") == ()


def test_the_tally_adds_up() -> None:
    table = book.tally({"slides_4_1": "proved"})
    assert sum(sum(row.values()) for row in table.values()) == len(book.sentences())
    assert table["S0"][Class.AS_PRINTED] == 1
    assert sum(book.total(table).values()) == len(book.sentences())
    assert book.class_of(book.sentences()["S0.theorem"], {}) is Class.OPEN


def test_a_sentence_as_json_says_what_is_missing_only_where_it_is_open() -> None:
    known = book.sentences()
    one, again = (book.described(known[name], {}) for name in ("A18.theorem_4_4", "S0.noisy"))
    assert one["missing"] == "santurkar_4_4: not verified"
    assert again["missing"] == "noisy_bn: not verified"
    holds = book.described(known["A18.theorem_4_4"], {"santurkar_4_4": "proved"})
    assert (holds["class"], holds["missing"]) == ("holds as printed", "")
    repeated = next(one for one in known.values() if one.repeats and book.original(one).slip)
    assert book.described(repeated, {})["slip"] == book.original(repeated).slip
