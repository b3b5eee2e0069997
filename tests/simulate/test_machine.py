"""What a record says of the machine."""

from pathlib import Path

import pytest
import torch

from bnproof.report.document import environment
from bnproof.simulate import machine

X86 = """processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC 9654

processor\t: 1
vendor_id\t: another
"""
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch):
    """A processor that is described by a file and by what PyTorch knows of it."""

    def make(cpuinfo: dict[str, str], known: dict[str, object]) -> dict[str, str]:
        monkeypatch.setattr(machine, "_cpuinfo", lambda _: cpuinfo)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
        return machine.processor.__wrapped__()

    return make


def test_this_machine_is_named() -> None:
    found = machine.features("cpu")
    assert set(found) == {"processor", "vendor", "instructions", "capability", "limits"}
    assert all(type(value) is str and value for value in found.values())
    assert found["capability"] == torch.backends.cpu.get_cpu_capability()


def test_the_environment_of_a_record_names_the_machine() -> None:
    whole = environment("cpu", 1)
    assert machine.features("cpu").items() <= whole.items()
    assert whole["threads"] == 1


@pytest.mark.parametrize("name", machine.LIMITS)
def test_a_limit_is_recorded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in machine.LIMITS:
        monkeypatch.delenv(limit, raising=False)
    assert machine.features("cpu")["limits"] == "none"
    monkeypatch.setenv(name, "some")
    assert machine.features("cpu")["limits"] == f"{name}=some"


def test_a_gpu_is_named_with_the_versions_of_its_libraries(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91000)
    found = machine.features("cuda")
    assert (found["gpu"], found["cuda"], found["cudnn"]) == ("GPU of cuda", "13.0", "91000")


def test_the_first_core_counts(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(X86)
    assert machine._cpuinfo(path)["vendor_id"] == "AuthenticAMD"
    assert machine._cpuinfo(path)["model name"] == "AMD EPYC 9654"
    path.write_text(ARM)
    assert machine._cpuinfo(path)["CPU implementer"] == "0x41"
    assert machine._cpuinfo(tmp_path / "none") == {}


def test_vector_instructions_are_listed_with_their_length(made_up) -> None:
    known = {"sve2": True, "aes": True, "sve": True, "sve_max_length": 32, "bf16": False}
    system = {"CPU implementer": "0x41", "CPU part": "0xd40"}
    found = made_up(system, known | {"cpu_name": "Neoverse V1"})
    assert found == {
        "processor": "Neoverse V1 (CPU part 0xd40)",
        "vendor": "0x41",
        "instructions": "sve sve2 sve_max_length=32",
    }


def test_generations_of_one_name_are_told_apart(made_up) -> None:
    system = {"model name": "AMD EPYC", "cpu family": "25", "model": "17"}
    assert made_up(system, {})["processor"] == "AMD EPYC (cpu family 25, model 17)"


def test_what_nothing_tells_is_unknown(made_up) -> None:
    assert set(made_up({}, {}).values()) == {"unknown"}
