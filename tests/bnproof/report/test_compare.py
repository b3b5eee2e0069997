"""Evidence documents are compared by what they say of the claims."""

import copy
import json
import subprocess
import sys

from bnproof.report.compare import differences

OLD = {
    "created": "2026-11-01",
    "claims": [{"id": "a", "verdict": "proved", "evidence": [{"kind": "proof", "world": "sgd"}]}],
}


def test_times_and_renamed_keys_are_no_difference():
    new = copy.deepcopy(OLD) | {"created": "2026-11-30"}
    new["claims"][0]["evidence"][0] = {"kind": "proof", "sampler": "sgd"}
    assert list(differences(OLD, new)) == []


def test_each_difference_is_named_by_its_place():
    new = copy.deepcopy(OLD)
    new["claims"][0]["verdict"] = "refuted"
    del new["claims"][0]["evidence"][0]["kind"]
    assert list(differences(OLD, new)) == [
        "/claims/a/evidence/proof/kind: only in the old document",
        '/claims/a/verdict: "proved" became "refuted"',
    ]
    assert list(differences([1], [1, 2])) == [": [1] became [1, 2]"]


def test_numbers_are_equal_to_the_digit_unless_a_tolerance_is_asked_for():
    assert list(differences(1.0, 1.0 + 1e-9)) == [": 1.0 became 1.000000001"]
    assert list(differences(1.0, 1.0 + 1e-9, rtol=1e-8)) == []
    assert list(differences(1.0, 1.1, rtol=1e-8)) == [": 1.0 became 1.1"]


def test_the_command(tmp_path):
    paths = [tmp_path / name for name in ("old.json", "new.json")]
    for path, verdict in zip(paths, ("proved", "refuted"), strict=True):
        path.write_text(json.dumps({"claims": [{"id": "a", "verdict": verdict}]}))

    def run(*arguments):
        command = [sys.executable, "-m", "bnproof.report.compare", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    assert run(paths[0], paths[0]).stdout == "equal: 1 claims\n"
    different = run(*paths)
    assert different.returncode == 1
    assert different.stdout == '/claims/a/verdict: "proved" became "refuted"\n'
