"""The Hessian of a loss with respect to the parameters: products, quotients, eigenvalues."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

from bnproof.empirical.metrics.objective import SEED, Loss, Objective, Parts, Statistics, flatten
from bnproof.theory.common.errors import one_of

Method = Literal["auto", "graph", "linear"]

# For ResNet-20 with a batch of 128 on a CPU, a product by linearisation costs 30 % less than one by
# the retained graph, and its set-up as much as twelve.  Switching once the possible savings equal
# the set-up never costs more than twice the better choice.
CHANGE_OVER: Final = 40

LEAST: Final = 3  # products before a residual is trusted, since it may be small by chance at first
MOST: Final = 60


class Curvature:
    """The Hessian H of an objective at the model's current parameters w.

    The model is left unchanged, and later changes to it do not affect this object.

    Parameters
    ----------
    model, loss, inputs, targets, statistics
        As `Objective`.
    method
        ``"graph"`` retains the graph of the gradient and backpropagates through it for every
        product; ``"linear"`` linearises the gradient once; ``"auto"`` starts with the former and
        switches to the latter after many products.

    Attributes
    ----------
    value
        The loss at w.
    gradient
        The gradient at w, flattened, (size,).
    products
        Number of products computed so far.

    Raises
    ------
    ValueError
        As `Objective`, or if the method is unknown.
    FloatingPointError
        If the loss is not finite.

    Notes
    -----
    Finite differences of gradients are not used: in float32 they can be off by large factors.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        inputs: Tensor,
        targets: Tensor,
        *,
        statistics: Statistics = "batch",
        method: Method = "auto",
    ) -> None:
        one_of("method", method, get_args(Method))
        self.objective = Objective(model, loss, inputs, targets, statistics=statistics)
        self.products = 0
        self._method = method
        self._tangent: Callable[..., Parts] | None = None
        point = self.objective.point
        with self.objective.mode(), torch.enable_grad():
            value = self.objective.value(*point)
            if not torch.isfinite(value):
                raise FloatingPointError(f"the loss is {value.item()}: no Hessian there")
            self._graph = torch.autograd.grad(
                value, point, create_graph=True, materialize_grads=True
            )
        self.value = value.item()
        self.gradient = flatten(self._graph)

    @property
    def size(self) -> int:
        """Number of parameters, the side of H."""
        return self.objective.size

    def product(self, direction: Tensor) -> Tensor:
        """``H direction``, flat, (size,)."""
        parts = self.objective.parts(direction)
        self.products += 1
        late = self._method == "auto" and self.products > CHANGE_OVER
        linear = self._method == "linear" or late
        return flatten(self._linear(parts) if linear else self._double_backward(parts))

    def quotient(self, direction: Tensor) -> float:
        """``<d, H d>/<d, d>``: the curvature along `direction`."""
        return float(direction @ self.product(direction) / (direction @ direction))

    def eigenvalues(
        self, count: int = 1, *, which: Literal["LA", "SA", "LM"] = "LA", tolerance: float = 1e-2
    ) -> NDArray[np.float64]:
        """Extreme eigenvalues by Lanczos iteration, the most extreme first.

        Parameters
        ----------
        count
            Number of eigenvalues, below `size`.
        which
            As `scipy.sparse.linalg.eigsh`: largest, smallest, or largest in magnitude.
        tolerance
            Tolerance of the residual relative to the eigenvalue.  The error of the eigenvalue is
            about its square: 1e-6 to 1e-4 for the default on residual networks.
        """
        like = self.gradient

        def apply(v: NDArray[np.float64]) -> NDArray[np.float64]:
            given = torch.as_tensor(v.ravel(), dtype=like.dtype, device=like.device)
            result: NDArray[np.float64] = self.product(given).cpu().double().numpy()
            return result

        operator = LinearOperator((self.size, self.size), matvec=apply, dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(self.size)
        # With a short, restarted basis an isolated eigenvalue takes ten products; SciPy's default
        # takes twenty before its first check.
        values = eigsh(
            operator,
            k=count,
            which=which,
            ncv=min(2 * count + 4, self.size),
            tol=tolerance,
            v0=start,
            return_eigenvectors=False,
        )
        order = {"LA": -values, "SA": values, "LM": -np.abs(values)}[which]
        return np.asarray(values[np.argsort(order)], dtype=np.float64)

    def _double_backward(self, parts: Parts) -> Parts:
        return torch.autograd.grad(
            self._graph, self.objective.point, parts, retain_graph=True, materialize_grads=True
        )

    def _linear(self, parts: Parts) -> Parts:
        point = self.objective.point
        if self._tangent is None:
            gradient = torch.func.grad(self.objective.value, argnums=tuple(range(len(point))))
            at = tuple(part.detach() for part in point)
            with self.objective.mode(), warnings.catch_warnings():
                # A harmless warning of the trace that linearize makes.
                warnings.filterwarnings("ignore", "Attempted to insert a get_attr Node")
                _, self._tangent = torch.func.linearize(gradient, *at)
        accelerators = {part.device for part in point if part.device.type == "cuda"}
        with torch.random.fork_rng(accelerators):
            torch.manual_seed(SEED)  # the trace draws new dropout masks
            return self._tangent(*parts)


@dataclass(frozen=True)
class Sharpness:
    """The curvature of a loss at w, and the learning rate to compare it with.

    Attributes
    ----------
    eigenvalue
        Largest eigenvalue of the Hessian, approximated from below.
    residual
        ``|Hu - eigenvalue u|`` for the computed unit vector u: some eigenvalue is within this
        distance.
    along
        ``<g,Hg>/<g,g>``: the curvature along the gradient.
    rate
        Learning rate of the training.
    products
        Number of products with the Hessian.
    """

    eigenvalue: float
    residual: float
    along: float
    rate: float
    products: int

    @property
    def beta_rate(self) -> float:
        """``rate * eigenvalue``: about 2 at the edge of stability."""
        return self.rate * self.eigenvalue


def sharpness(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    *,
    rate: float,
    tolerance: float = 0.03,
    statistics: Statistics = "batch",
) -> Sharpness:
    """Largest eigenvalue of the Hessian, cheap enough to be tracked during training.

    Lanczos iteration that starts near the gradient, where most of the large curvature lies, and
    checks convergence after every product.  A product costs as much as two to three gradients: on
    VGG-A with a batch of 128 the whole takes about 15 s on one core, so consider a smaller batch.

    Parameters
    ----------
    model, loss, inputs, targets, statistics
        As `Objective`.
    rate
        Learning rate of the training.
    tolerance
        Tolerance of the residual relative to the eigenvalue.  On small convolutional networks in
        training the default took 6 to 10 products, with errors of the eigenvalue up to 0.2 %.  A
        small residual means that an eigenvalue is close, not that it is the largest: at 0.1, with 3
        to 6 products, the second one was once returned, a quarter lower.

    Raises
    ------
    ValueError
        As `Objective`, or if `rate` or `tolerance` is not positive.
    FloatingPointError
        If the loss or its curvature is not finite.
    ArithmeticError
        If 60 products do not reach the tolerance.

    Examples
    --------
    >>> import bnproof, torch
    >>> from torch import nn
    >>> x, y = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.ones(2, 1)
    >>> net = nn.Linear(2, 1, bias=False)  # its loss has the Hessian 2/n X'X = diag(1, 4)
    >>> found = bnproof.sharpness(net, nn.functional.mse_loss, x, y, rate=0.1)
    >>> round(found.eigenvalue, 3)
    4.0
    """
    for name, value in (("rate", rate), ("tolerance", tolerance)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} {value}: must be positive and finite")
    curvature = Curvature(model, loss, inputs, targets, statistics=statistics, method="graph")
    g = curvature.gradient
    random = torch.randn(curvature.size, generator=torch.Generator().manual_seed(SEED))
    random = random.to(g) / random.norm()
    slope = g.norm()
    # Not the gradient alone, which may be orthogonal to the eigenvector.
    start = g / slope + random if slope > 0 else random
    eigenvalue, residual = _largest(curvature, start / start.norm(), tolerance)
    products = curvature.products
    along = curvature.quotient(g) if slope > 0 else math.nan
    return Sharpness(eigenvalue, residual, along, rate, products)


def _largest(curvature: Curvature, start: Tensor, tolerance: float) -> tuple[float, float]:
    """Largest eigenvalue and its residual, by Lanczos iteration with full orthogonalisation."""
    basis = [start]
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    for count in range(1, min(MOST, curvature.size) + 1):
        image = curvature.product(basis[-1])
        diagonal.append(float(image @ basis[-1]))
        for _ in range(2):  # a single pass leaves rounding errors that grow
            rows = torch.stack(basis)
            image = image - rows.T @ (rows @ image)
        left = float(image.norm())
        if not math.isfinite(left):
            raise FloatingPointError("a product with the Hessian is not finite")
        values, vectors = eigh_tridiagonal(diagonal, off_diagonal)
        residual = left * abs(vectors[-1, -1])
        enough = count >= LEAST and residual <= tolerance * abs(values[-1])
        if enough or count == curvature.size or left == 0:
            return float(values[-1]), float(residual)
        off_diagonal.append(left)
        basis.append(image / left)
    raise ArithmeticError(
        f"sharpness: residual {residual:.3g} for the eigenvalue {values[-1]:.3g} after "
        f"{MOST} products; choose a tolerance above {tolerance:g}"
    )
