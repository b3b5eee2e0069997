"""A run of today gives what is published: its digits on the same machine, what is stable elsewhere.

Machines, and numbers of threads, sum in different orders.  At initialisation that shows in the last
digits.  Training multiplies it with every update, so that its end is another draw: compared are the
first losses, and at scales where a verdict means something the verdict.
"""

import copy

import numpy as np
import pytest
import torch

import bnproof.empirical.experiments
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.runner import measure
from bnproof.results import published
from bnproof.simulate.machine import features
from bnproof.theory.claim import Scale, Settings, decide
from bnproof.theory.common.checksum import canonical
from bnproof.theory.loading import load_folder

# Ten times the largest difference that benchmarks/rounding.py found between one machine and what
# stands in for others, rounded up to a power of ten.
ROUNDING = 1e-3  # of a quantity at initialisation, over its largest entry
LOSS = 1e-3  # of the loss before each of the first COMPARED updates, over itself
COMPARED = 2
# BN maps a batch of two to +1 and -1, and where they nearly agree rounding decides which is which.
SMALLEST = 8  # images in the batch of a run whose loss is compared after an update
VERSIONS = ("torch", "numpy", "scipy", "device", "platform", "threads")

CLAIMS = {claim.id: claim for claim in load_folder(bnproof.empirical.experiments)}
SMOKE = Settings(scale=Scale.SMOKE)
PATHS = sorted(published.FOLDER.glob("*.smoke.json"))
AT_INITIALISATION, TRAINED = "bjorck_fig6", "noisy_bn"


def same_machine(record, today):
    """Whether every sum is taken in the same order, as far as the records say."""
    then, now = record["environment"], today["environment"]
    names = (*VERSIONS, *features("cpu"), "gpu", "cuda", "cudnn")
    return "processor" in then and all(then.get(name) == now.get(name) for name in names)


def differences(record, today):
    """What differs between two records of one experiment and scale and should not, in words."""
    experiment = experiment_of(CLAIMS[record["id"]])
    if record["where"] != today["where"]:
        return [f"{record['where']}; today {today['where']}"]
    if same_machine(record, today):
        return [f"digits of {name}" for name in ("series", "runs") if record[name] != today[name]]
    if shapes(record) != shapes(today):
        return ["quantities"]
    means_something = record["scale"] != Scale.SMOKE or not experiment.trains
    return [
        *(losses(record, today) if experiment.trains else quantities(record, today)),
        *(verdicts(record, today) if means_something else ()),
    ]


def shapes(record):
    return {
        (net, name): np.shape(values)
        for net, rows in record["series"].items()
        for name, values in rows.items()
    }


def quantities(record, today):
    """Names of quantities that differ by more than rounding; those that are only drawn are not."""
    for net, name in shapes(record):
        then, now = (np.array(one["series"][net][name], dtype=float) for one in (record, today))
        drawn = name in experiment_of(CLAIMS[record["id"]]).plot_only
        if not drawn and not np.abs(then - now).max() <= ROUNDING * np.abs(then).max():
            yield f"{net}, {name}"


def losses(record, today):
    """Runs that begin with another loss; a record of before losses were kept has no runs."""
    begun = {canonical([run["recipe"], run["data"]]): run["first losses"] for run in today["runs"]}
    for run in record.get("runs", ()):
        key = canonical([run["recipe"], run["data"]])
        count = COMPARED if run["recipe"].get("batch", SMALLEST) >= SMALLEST else 1
        then, now = (
            np.array(values[:count], dtype=float)
            for values in (run["first losses"], begun.get(key, []))
        )
        if then.shape != now.shape or not (np.abs(then - now) <= LOSS * np.abs(then)).all():
            yield f"first losses of {key}: {then}, today {now}"


def verdicts(record, today):
    claim = CLAIMS[record["id"]]
    then, now = (decide([published.judged(claim, one)]) for one in (record, today))
    return [] if then is now else [f"{then}, today {now}"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The record that a run of today makes of each experiment."""
    made = {}

    def record(name):
        if name not in made:
            root = tmp_path_factory.mktemp(name)
            results = measure(CLAIMS[name], SMOKE, root=root)
            made[name] = published.record(
                CLAIMS[name], Scale.SMOKE, results, command="", threads=torch.get_num_threads()
            )
        return copy.deepcopy(made[name])

    return record


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_run_of_today_gives_what_is_published(path, measured):
    record = published.read(path)
    assert differences(record, measured(record["id"])) == []


# --- that a difference would be seen ----------------------------------------------------------


def elsewhere(record):
    record["environment"]["processor"] = "another"
    return record


@pytest.mark.parametrize("name", [*VERSIONS, *features("cpu")])
def test_another_machine_is_told(name, measured):
    record = measured(AT_INITIALISATION)
    assert same_machine(record, measured(AT_INITIALISATION))
    record["environment"][name] = "another"
    assert not same_machine(record, measured(AT_INITIALISATION))


def test_a_record_that_does_not_name_its_machine_is_of_another(measured):
    record, today = measured(AT_INITIALISATION), measured(AT_INITIALISATION)
    del record["environment"]["processor"], today["environment"]["processor"]
    assert not same_machine(record, today)


def test_on_the_same_machine_every_digit_counts(measured):
    record = measured(AT_INITIALISATION)
    record["series"]["with BN"]["top share"][0] *= 1 + 1e-7
    assert differences(record, measured(AT_INITIALISATION)) == ["digits of series"]
    record = measured(TRAINED)
    record["runs"][0]["first losses"][-1] *= 1 + 1e-7
    assert differences(record, measured(TRAINED)) == ["digits of runs"]


@pytest.mark.parametrize(("by", "seen"), [(0.5 * ROUNDING, False), (2 * ROUNDING, True)])
def test_elsewhere_rounding_is_allowed_at_initialisation(by, seen, measured):
    record = elsewhere(measured(AT_INITIALISATION))
    row = record["series"]["with BN"]["top share"]
    row[0] += by * max(row)
    found = differences(record, measured(AT_INITIALISATION))
    assert found == (["with BN, top share"] if seen else [])


def test_elsewhere_another_verdict_is_seen(measured, monkeypatch):
    monkeypatch.setitem(differences.__globals__, "ROUNDING", 100.0)
    record = elsewhere(measured(AT_INITIALISATION))
    for net, share in {"with BN": 0.01, "without BN": 1.0, "control": 0.01}.items():
        record["series"][net]["top share"] = [share] * 3
    (words,) = differences(record, measured(AT_INITIALISATION))
    assert "seen in miniature, today undecided" in words


@pytest.mark.parametrize(("by", "seen"), [(0.5 * LOSS, False), (2 * LOSS, True)])
@pytest.mark.parametrize("update", range(COMPARED))
def test_elsewhere_rounding_is_allowed_in_the_first_losses(update, by, seen, measured):
    record = elsewhere(measured(TRAINED))
    record["runs"][4]["first losses"][update] *= 1 + by
    assert len(differences(record, measured(TRAINED))) == seen


def test_elsewhere_a_run_that_is_missing_is_seen(measured):
    today = measured(TRAINED)
    del today["runs"][3]
    assert len(differences(elsewhere(measured(TRAINED)), today)) == 1


def test_elsewhere_a_run_of_small_batches_is_compared_before_its_first_update(measured):
    record, today = measured(TRAINED), measured(TRAINED)
    for one in (record, today):
        one["runs"][0]["recipe"]["batch"] = SMALLEST - 1
    record["runs"][0]["first losses"][1] *= 2
    assert differences(elsewhere(record), today) == []
    record["runs"][0]["first losses"][0] *= 2
    assert len(differences(record, today)) == 1


def test_elsewhere_the_end_of_a_training_may_differ(measured):
    record = elsewhere(measured(TRAINED))
    row = record["series"]["with BN"]
    row["best accuracy"] = [1 - share for share in row["best accuracy"]]
    assert differences(record, measured(TRAINED)) == []
    row["best accuracy"] = row["best accuracy"][:1]
    assert differences(record, measured(TRAINED)) == ["quantities"]
