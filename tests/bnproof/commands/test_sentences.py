"""The command `bnproof sentences`."""

import json
from pathlib import Path

import pytest

from bnproof.cli import main
from bnproof.theory.ledger import book
from bnproof.theory.ledger.verdict import DEFINITION, Class


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command; return exit status and output."""

    def call(*words):
        monkeypatch.setattr("sys.argv", ["bnproof", "sentences", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


def texts(folder: Path, **changes: bytes) -> Path:
    """Documents that have every heading and quotation where it belongs, but for `changes`."""
    for chapter in book.chapters().values():
        parts = [
            "\n".join(
                [f"# {heading}"]
                + [
                    f"{one.quotation}\n{place(one.place)}"
                    for one in chapter.sentences
                    if one.section == heading
                ]
            )
            for heading in chapter.headings
        ]
        if chapter.text:
            content = changes.get(chapter.document, "\n".join(parts).encode())
            (folder / chapter.text).write_bytes(content)
    return folder


def place(words: str) -> str:
    return words.removeprefix("equation ")


def test_every_sentence_is_listed_with_its_class_and_counted(run) -> None:
    status, out, _ = run()
    assert status == 0
    lines = out.splitlines()
    known = book.sentences()
    heads = dict(line.split(": ", 1) for line in lines if line.split(":")[0] in known)
    assert list(heads) == list(known)
    assert all(head.startswith((*Class, DEFINITION)) for head in heads.values())
    outside = [one for one in known.values() if one.document == "A18"]
    assert lines.count("    not compared with A18, which is not among the documents") == len(
        outside
    )
    counts = [int(part.split()[0]) for part in lines[-1].split(", ")]
    assert sum(counts) == len(known)


def test_json_has_the_same_classes(run) -> None:
    status, out, _ = run("--json")
    assert status == 0
    rows = json.loads(out)
    assert [row["id"] for row in rows] == list(book.sentences())
    assert {row["class"] for row in rows} == {*map(str, Class), DEFINITION}
    assert {row["id"].split(".")[0] for row in rows if not row["compared"]} == {"A18"}
    assert all(bool(row["missing"]) is (row["class"] == Class.OPEN) for row in rows)


def test_documents_that_have_every_quotation(run, tmp_path: Path) -> None:
    status, out, _ = run("--check", texts(tmp_path))
    assert (status, out.count("\n")) == (0, 1), out
    assert "are word for word as in the documents; A18 is not among them" in out


def test_a_truncated_document_misses_quotations(run, tmp_path: Path) -> None:
    status, out, _ = run("--check", texts(tmp_path, S2=b"# What is batch normalization?\n"))
    assert status == 1
    assert "S2.toml: scaling.quotation: 'With feature scaling" in out
    assert all(line.startswith("S2.toml: ") for line in out.splitlines())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "no folder of source documents at"),
        (b"cut in a letter: \xe2\x82", "is not UTF-8 at byte 17; give the whole text"),
    ],
)
def test_what_cannot_be_compared_is_one_line(run, tmp_path: Path, document, message) -> None:
    folder = tmp_path / "none" if document is None else texts(tmp_path, S2=document)
    status, out, err = run("--check", folder)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("bnproof: ")
    assert message in err


def test_an_argument_is_unexpected(run) -> None:
    status, _, err = run("NOPE")
    assert (status, err.count("\n")) == (2, 1)
    assert "unexpected argument: NOPE" in err
