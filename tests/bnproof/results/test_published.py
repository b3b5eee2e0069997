"""Published measurements: whole, and judged anew each time."""

import json
from dataclasses import replace

import pytest

import bnproof.empirical.experiments
from bnproof.empirical.experiment import Experiment, experiment_of
from bnproof.empirical.runner import measure
from bnproof.results import published
from bnproof.theory.claim import Evidence, Kind, Scale, Settings, Verdict, decide
from bnproof.theory.common.checksum import SEAL, with_checksum
from bnproof.theory.common.errors import UserError
from bnproof.theory.loading import load_folder
from bnproof.verdicts import Result
from bnproof.verification import gather, unless_open, verify

CLAIMS = {claim.id: claim for claim in load_folder(bnproof.empirical.experiments)}
FILES = sorted(published.FOLDER.glob("*.json"))
SMOKE = Settings(scale=Scale.SMOKE)
CHEAP = "bjorck_fig6"
EVERY = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    results = measure(CLAIMS[CHEAP], SMOKE, root=tmp_path_factory.mktemp("runs"))
    return published.record(CLAIMS[CHEAP], Scale.SMOKE, results, command="bnproof", threads=1)


def test_there_is_something_published():
    assert {path.name.split(".")[0] for path in FILES} == set(CLAIMS)


@EVERY
def test_a_published_file_is_whole_and_says_what_it_was_measured_on(path):
    record = published.read(path)
    assert path.name == f"{record['id']}.{record['scale']}.json"
    assert record["id"] in CLAIMS
    for name in ("created", "command", "commit", "environment", "seconds", "where"):
        assert record[name]
    assert record["provenance"]["data set"]
    assert path.stat().st_size < 500_000  # what the heat maps of ten seeds take
    text = path.read_text()
    assert "/home" not in text
    assert "/tmp" not in text


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_the_largest_published_scale_gives_the_expected_verdict(claim_id):
    evidence = published.evidence(CLAIMS[claim_id])
    assert evidence is not None, f"publish it: bnproof experiment run {claim_id} --publish"
    assert decide([evidence]) is CLAIMS[claim_id].expected, evidence.summary


SMALL = [path for path in FILES if ".smoke." in path.name]


def test_a_smoke_result_of_a_trained_and_of_an_untrained_experiment_is_published():
    trained = {experiment_of(CLAIMS[path.name.split(".")[0]]).trains for path in SMALL}
    assert trained == {True, False}


def test_what_computed_it_is_in_words(record):
    words = published.machine(published.judged(CLAIMS[CHEAP], record))
    assert words.startswith(f"cpu (processor {record['environment']['processor']}, capability ")
    assert ", 1 threads, precision float32, PyTorch " in words
    old = {name: value for name, value in record.items() if name != "runs"}
    old["environment"] = {"threads": 1, "device": "cpu"}
    added = ("precision", "mode")
    old["provenance"] = {n: v for n, v in record["provenance"].items() if n not in added}
    evidence = published.judged(CLAIMS[CHEAP], old)
    assert evidence.provenance["mode"] == "exact"
    words = published.machine(evidence)
    assert words.startswith("cpu (processor not recorded), 1 threads, precision not recorded, ")
    fast = record | {"provenance": record["provenance"] | {"mode": "fast"}}
    words = published.machine(published.judged(CLAIMS[CHEAP], fast))
    assert ", precision float32, fast, PyTorch " in words


def test_a_record_of_another_schema_says_so(record, tmp_path):
    content = {name: value for name, value in record.items() if name != SEAL}
    path = published.write(with_checksum(content | {"schema": 2}), tmp_path)
    with pytest.raises(UserError, match="has schema 2, and this version of bnproof reads 1"):
        published.read(path)


@pytest.mark.parametrize(
    "change", [{"batch": 17}, {"steps": 5}, {"architecture": "ResNet-9"}], ids=str
)
def test_a_record_of_another_protocol_is_marked(record, change):
    claim = CLAIMS[CHEAP]
    assert published.OTHER not in published.judged(claim, record).summary
    old = record | {"provenance": record["provenance"] | change}
    assert f", {published.OTHER}, scale smoke)" in published.judged(claim, old).summary


def test_what_is_written_is_read_and_judged_alike(record, tmp_path):
    path = published.write(record, tmp_path)
    assert published.read(path) == record
    evidence = published.evidence(CLAIMS[CHEAP], tmp_path)
    assert evidence == published.judged(CLAIMS[CHEAP], record)
    assert evidence.provenance["scale"] == "smoke"
    assert evidence.provenance["command"] == "bnproof"
    assert "scale smoke" in evidence.summary


def test_the_verdict_is_not_in_the_file(record):
    assert "reproduced" not in json.dumps(record)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace('"seconds":', '"seconds":1', 1),
        lambda text: text[:-20],
        lambda _: "[]",
        lambda text: text.replace('"schema":1', '"schema":2'),
        lambda _: "{}",
    ],
)
def test_a_changed_file_is_named(record, tmp_path, damage):
    path = published.write(record, tmp_path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=r"fig6\.smoke\.json: was changed after it was published"):
        published.read(path)


def test_a_quantity_that_was_not_measured_is_named(record, tmp_path):
    whole = {name: value for name, value in record.items() if name != SEAL}
    whole["series"] = {net: {} | rows for net, rows in record["series"].items()}
    asked = experiment_of(CLAIMS[CHEAP]).criteria[0]
    del whole["series"][asked.net][asked.quantity]
    with pytest.raises(UserError, match="missing from the measurements published at scale smoke"):
        published.judged(CLAIMS[CHEAP], whole)


def test_the_largest_scale_counts(record, tmp_path):
    published.write(record, tmp_path)
    larger = {name: value for name, value in record.items() if name != SEAL}
    larger["scale"] = "paper"
    larger["where"] = "larger"
    published.write(with_checksum(larger), tmp_path)
    assert published.evidence(CLAIMS[CHEAP], tmp_path).summary.startswith("On larger")


def test_verify_judges_what_is_published_of_a_trained_experiment(record, tmp_path, monkeypatch):
    monkeypatch.setattr(published.evidence, "__defaults__", (tmp_path,))
    published.write(record, tmp_path)
    claim = CLAIMS[CHEAP]
    fresh, kept = gather(claim, SMOKE)
    assert "measured" not in fresh.provenance
    assert "measured" in kept.provenance
    (spec,) = claim.checks
    sizes = {scale: replace(size, updates=1) for scale, size in spec.sizes.items()}
    trained = replace(claim, checks=(replace(spec, sizes=sizes),))
    assert isinstance(trained.checks[0], Experiment)
    (only,) = gather(trained, SMOKE)
    assert only.provenance["measured"] == record["created"][:10]


def test_a_miniature_is_neither_true_nor_false_in_the_record_either(tmp_path):
    record = verify(CLAIMS["noisy_bn"], SMOKE, tmp_path)
    (item,) = record["evidence"]
    assert (item["miniature"], item["holds"], item["seen"]) == (True, None, True)
    (again,) = Result.from_record(record).evidence
    assert (again.holds, again.seen) == (None, True)
    assert str(decide([again])) == record["verdict"] == "seen in miniature"


def test_a_small_run_that_is_open_does_not_count_against_a_large_one():
    large = Evidence(Kind.EXPERIMENT, True, True, "large")
    small = Evidence(Kind.EXPERIMENT, None, False, "small", reason="too few seeds")
    contrary = Evidence(Kind.EXPERIMENT, False, True, "small, contrary")
    flawed = Evidence(Kind.PROOF, None, False, "flawed", reason="a flaw")
    assert decide([large, small]) is Verdict.UNDECIDED
    assert decide([large, unless_open(small)]) is Verdict.REPRODUCED
    assert decide([small, unless_open(large)]) is Verdict.UNDECIDED
    assert decide([large, unless_open(contrary)]) is Verdict.UNDECIDED
    assert unless_open(flawed) is flawed
    diverged = replace(small, numbers={"criteria": [{"value": None, "control value": 1.0}]})
    assert decide([large, unless_open(diverged)]) is Verdict.UNDECIDED
