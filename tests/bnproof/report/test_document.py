"""Evidence documents: whole or not at all, and refused when they are not what they should be."""

import json
from pathlib import Path

import pytest

from bnproof.report import document
from bnproof.theory.claim import Settings
from bnproof.theory.common import files
from bnproof.theory.common.errors import UserError
from bnproof.theory.ledger import book


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    content = document.document([{"id": "x", "verdict": "proved"}], Settings(), "bnproof verify", 2)
    path = tmp_path / "deep" / "evidence.json"
    document.save(content, path)
    assert document.load(path) == content
    assert content["environment"]["threads"] == 2
    assert [p.name for p in path.parent.iterdir()] == ["evidence.json"]


def test_a_run_of_all_claims_lists_all_sentences_and_another_only_its_own() -> None:
    known = book.sentences().values()
    records = [{"id": one, "verdict": "proved"} for each in known for one in each.claims]
    assert [row["id"] for row in document.listed(records)] == [one.id for one in known]
    chosen = [row["id"] for row in document.listed([{"id": "noisy_bn", "verdict": "undecided"}])]
    assert chosen == ["S0.noisy", "S1.noise", "S4.noise"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is not JSON"), ("[]", "schema 2"), ('{"schema": 9}', "schema 2"), ('{"a', "not JSON")],
)
def test_what_is_no_evidence_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "evidence.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        document.load(path)


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `bnproof verify` first"):
        document.load(tmp_path / "nothing.json")


def test_a_number_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        document.save({"x": float("nan")}, tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.txt"
    files.write_text(path, "old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match="No space left on device"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_probe_finds_what_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match="cannot write"):
        files.probe(file / "below" / "x.json")
    with pytest.raises(UserError, match="is a folder"):
        files.probe(tmp_path)
    files.probe(tmp_path / "new" / "x.json")
    assert json.loads("[]") == list((tmp_path / "new").iterdir())


def test_data_in_the_present_folder_have_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = document.document([], Settings(data=Path()), "bnproof verify", 2)
    assert whole["settings"]["data"] == tmp_path.name
