"""Criteria, controls and numbers of seeds are those of the date and commit that the file names."""

import json
import re
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

import bnproof.empirical.experiments
from bnproof.empirical.experiment import Experiment, experiment_of
from bnproof.theory.loading import load_folder

ROOT = Path(__file__).parents[3]
CLAIMS = {claim.id: claim for claim in load_folder(bnproof.empirical.experiments)}
# Of each experiment: the date of `fixed`, and a digest of what was fixed.
FIXED = json.loads(Path(__file__).with_name("fixed.json").read_text())


def digest(experiment: Experiment) -> str:
    """A digest of criteria, controls and numbers of seeds."""
    fixed = {
        "criteria": [
            [row.net, row.quantity, row.words, row.at_least, row.at_most]
            for row in experiment.criteria
        ],
        "controls": [
            [row.words, row.passes, row.made_of, row.net, dict(row.also)]
            for row in experiment.controls
        ],
        "seeds": {scale.value: size.seeds for scale, size in experiment.sizes.items()},
    }
    return sha256(json.dumps(fixed).encode()).hexdigest()[:16]


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_what_was_fixed_has_not_changed_since(claim_id: str) -> None:
    experiment = experiment_of(CLAIMS[claim_id])
    assert experiment.fixed is not None
    found = [experiment.fixed.date, digest(experiment)]
    assert FIXED[claim_id] == found, (
        "criteria, controls or seeds have changed: name the date and the commit in `fixed` of the "
        f"experiment, and put {found} into {Path(__file__).with_name('fixed.json')}"
    )


def git(*words: str) -> str:
    command = ["git", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()


def test_dates_and_commits_exist() -> None:
    fixed = {experiment_of(claim).fixed for claim in CLAIMS.values()}
    assert all(one and re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", one.date) for one in fixed)
    if git("rev-parse", "--is-shallow-repository") != "false":
        pytest.skip("no repository with a history here")
    for one in fixed:
        assert one
        assert git("cat-file", "-t", one.commit) == "commit", one
