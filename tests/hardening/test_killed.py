"""kill -9 at random moments: it always resumes, to the same numbers, and no half file is read.

A moment is drawn from a seed: a share of the time that the whole takes, a file operation just
before it is carried out, or a byte in the midst of a file that is being written.
"""

import csv
import json
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

JOBS = [
    *("train", "verify"),
    *(pytest.param(job, marks=pytest.mark.slow) for job in ("sweep", "report", "publish")),
]
COUNTS = [
    pytest.param(1, id="1"),
    pytest.param(100, id="100", marks=pytest.mark.slow),
]


def numbers(job: str, folder: Path) -> Any:
    """What a job is for, without times and dates."""
    if job == "train":
        (path,) = folder.glob("*/result.json")
        return json.loads(path.read_text())["result"]["curve"]
    if job == "sweep":
        with (folder / "runs" / "sweep.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["status"] for row in rows] == ["done"] * 4
        return [(row["folder"], row["loss"], row["evaluated loss"]) for row in rows]
    if job == "report":
        return (folder / "index.html").read_text()
    if job == "verify":
        claims = json.loads((folder / "evidence.json").read_text())["claims"]
        return [(claim["verdict"], claim["evidence"], claim["figure"]) for claim in claims]
    (path,) = (folder / "published").iterdir()
    record = json.loads(path.read_text())
    kept = json.loads((folder / "results" / path.name).read_text())
    assert kept["series"] == record["series"]
    return record["series"], record["provenance"], (folder / "results" / "tiny.smoke.svg").exists()


def moment(draws: random.Random, seconds: float, operations: int) -> dict[str, Any]:
    """When a victim is killed."""
    kind = draws.choice(("time", "time", "operation", "byte"))
    if kind == "time":
        who = draws.choice(("it", "worker", "all"))  # without workers all the same
        return {"after": draws.random() * seconds, "who": who}
    if kind == "operation":
        return {"event": draws.randrange(operations)}
    return {"largest": int(10 ** (4 * draws.random()))}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("job", JOBS)
def test_killed_at_random_moments(victims, sound, tmp_path, job, count) -> None:
    start = tmp_path / "start"
    start.mkdir()
    if job == "report":
        assert victims.run("verify", start)[0] == 0
        (start / "index.html").unlink()
    whole = tmp_path / "whole"
    shutil.copytree(start, whole)
    begun = time.monotonic()
    status, operations = victims.run(job, whole)
    seconds = time.monotonic() - begun
    assert status == 0, victims.said()
    assert operations > 1
    expected = numbers(job, whole)

    draws = random.Random(f"{job} 2026")
    kills = attempts = finished = 0
    while kills < count:
        folder = tmp_path / f"killed {attempts}"
        shutil.copytree(start, folder)
        attempts += 1
        while kills < count:
            status, _ = victims.run(job, folder, **moment(draws, seconds, operations))
            killed = status in (-signal.SIGKILL, -signal.SIGXFSZ)
            kills += killed
            sound(folder)
            if not killed and status == 0:
                finished += 1
                break
            # A sweep whose workers were killed too often says so and is called again.
            assert killed or job == "sweep", victims.said()
        assert victims.run(job, folder)[0] == 0, victims.said()
        sound(folder)
        assert numbers(job, folder) == expected
        # A figure or record that was half written stays; it has a name that nothing reads.
        assert job in ("sweep", "publish") or not list(folder.rglob("*.half"))
    assert "Traceback" not in victims.said()
