"""What was asked for is measured: every field of a request reaches the settings."""

from pathlib import Path

from bnproof.empirical.data.load import load
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import train
from bnproof.empirical.training.run_folder import RunFolder
from bnproof.results.run_requests import Request, training_runs
from bnproof.theory.claim import Scale, Settings


def test_settings_are_those_of_the_request() -> None:
    asked = Request(("a",), "paper", 3, 7, "/data", "cuda", "bfloat16", "fast", "decay")
    assert asked.settings() == Settings(
        scale=Scale.PAPER,
        device="cuda",
        seed=7,
        data=Path("/data"),
        precision="bfloat16",
        mode="fast",
        variant="decay",
    )
    assert Request(("a",), "smoke", None, 0, None, "cpu").settings().data is None


def test_the_command_names_embedded_data_and_hides_folders() -> None:
    def data(value: str | None) -> str:
        command = Request(("a",), "smoke", None, 0, value, "cpu").command("a")
        return command.removeprefix("bnproof experiment run a --scale smoke")

    assert data(None) == ""
    assert data("digits") == " --data digits"
    assert data("/home/me/images") == " --data path/to/cifar10"


def test_a_run_of_other_code_is_marked(tmp_path: Path) -> None:
    """It stays in its folder, but no experiment reads it again."""
    config = TrainingConfig(
        network={"family": "vgg", "width": 2}, steps=2, rate=0.05, batch=8, every=2, tested=5
    )
    images = load("digits", limit=24)
    train(config, images, root=tmp_path)
    (line,) = training_runs(tmp_path)
    assert line.endswith(": done")
    older = RunFolder(tmp_path, {**config.config(images, "cpu"), "code": "0" * 16})
    gone = RunFolder(tmp_path, {**older.config, "network": {"family": "gone"}, "metrics": ["gone"]})
    for run in (older, gone):
        with run.held():
            run.finish({"diverged": None})
    lines = dict(line.split("  ", 1) for line in training_runs(tmp_path))
    assert len(lines) == 3
    for run in (older, gone):
        assert lines[run.folder.name].endswith(": done, by other code than today's: not reused")
