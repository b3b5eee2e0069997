"""What was asked for is measured: every field of a request reaches the settings."""

from pathlib import Path

from bnproof.results.run_requests import Request
from bnproof.theory.claim import Scale, Settings


def test_settings_are_those_of_the_request() -> None:
    asked = Request(("a",), "paper", 3, 7, "/data", "cuda", "bfloat16", "fast")
    assert asked.settings() == Settings(
        scale=Scale.PAPER,
        device="cuda",
        seed=7,
        data=Path("/data"),
        precision="bfloat16",
        mode="fast",
    )
    assert Request(("a",), "smoke", None, 0, None, "cpu").settings().data is None


def test_the_command_names_embedded_data_and_hides_folders() -> None:
    def data(value: str | None) -> str:
        command = Request(("a",), "smoke", None, 0, value, "cpu").command("a")
        return command.removeprefix("bnproof experiment run a --scale smoke")

    assert data(None) == ""
    assert data("digits") == " --data digits"
    assert data("/home/me/images") == " --data path/to/cifar10"
