"""Every sampler on a GPU that is pretended: nothing of the CPU is mixed in."""

from typing import Any

import numpy as np
import pytest
import torch

import bnproof.theory.claims
from bnproof.simulate import check
from bnproof.simulate.samplers import autodiff as quantities
from bnproof.theory.claim import Claim, RandomTest, Scale, Settings
from bnproof.theory.loading import load_folder

CLAIMS = [
    c for c in load_folder(bnproof.theory.claims) if isinstance(c, Claim) and c.check_of(RandomTest)
]
FEW = 12  # instances of each kind: what is asked is where they lie
# For these claims networks of every regime are drawn, and what the proofs assume is evaluated.
WHOLE = ("santurkar_4_1", "hessian_homogeneity")
SETTINGS = {device: Settings(scale=Scale.SMOKE, device=device) for device in ("cpu", "cuda")}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_gpu_gives_the_numbers_of_the_cpu(
    claim: Claim, pretended_gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(check.INSTANCES, Scale.SMOKE, FEW)
    monkeypatch.setitem(check.MORE, Scale.SMOKE, 0)
    monkeypatch.setattr(quantities, "SIZES", (2, 8))
    monkeypatch.setattr(quantities, "LEAST", FEW)
    if claim.id not in WHOLE:
        monkeypatch.setattr(quantities, "REGIMES", ("heavy-tailed",))
        monkeypatch.setattr(check, "certificate_of", lambda claim: None)
    with pretended_gpu:
        found = check.sample(claim, SETTINGS["cuda"])
    usual = check.sample(claim, SETTINGS["cpu"])
    assert torch.equal(found.statement, usual.statement)
    assert torch.equal(found.control, usual.control)


def test_what_a_gpu_refuses_is_refused(pretended_gpu: Any) -> None:
    with pretended_gpu as gpu:
        far, near = torch.ones(3, device="cuda"), torch.ones(3)
        assert far.device.type == "cuda"
        assert (2 * far + torch.tensor(1.0)).is_cuda  # a number of the CPU may join in
        assert torch.equal((far.cpu() + near), torch.full((3,), 2.0))
        for wrong in (
            lambda: far + near,
            lambda: far.numpy(),
            lambda: np.asarray(far),
            lambda: near[far > 0],
            lambda: torch.stack([far.sum(), torch.tensor(1.0)]),
            lambda: torch.randn(3, device="cuda", generator=torch.Generator()),
        ):
            with pytest.raises(gpu.RefusedError):
                wrong()
