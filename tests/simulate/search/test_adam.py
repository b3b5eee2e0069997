"""Adam without PyTorch's compiler: the steps of `torch.optim.Adam`, to the last bit."""

import torch

from bnproof.simulate.search.adam import Adam


def test_its_steps_are_those_of_pytorch(device: str) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = ((5, 3), (5,), (5, 1, 2))
    start = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    ours, theirs = (
        [tensor.clone().to(device).requires_grad_() for tensor in start] for _ in range(2)
    )
    ascent, reference = Adam(ours), torch.optim.Adam(theirs, maximize=True)
    for step in range(40):
        rate = 0.3 / (1 + step)
        reference.param_groups[0]["lr"] = rate
        for tensors in (ours, theirs):
            height = sum((-(tensor**2) / 2 + torch.sin(3 * tensor)).sum() for tensor in tensors)
            slopes = torch.autograd.grad(height, tensors)
            for index, (tensor, slope) in enumerate(zip(tensors, slopes, strict=True)):
                tensor.grad = None if index == 1 and step % 3 == 0 else slope
        ascent.step(rate)
        reference.step()
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert not any(
        torch.allclose(one.cpu(), before) for one, before in zip(ours, start, strict=True)
    )
