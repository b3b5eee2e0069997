# The public names and where each is defined; `__init__.py` imports a name on first use.
from . import empirical as empirical
from . import simulate as simulate
from . import theory as theory
from .api import spectrum as spectrum
from .api import verify as verify
from .empirical.experiment import Experiment as Experiment
from .empirical.metrics.table import activation_moments as activation_moments
from .empirical.metrics.table import activation_shift as activation_shift
from .empirical.metrics.table import covariate_shift as covariate_shift
from .empirical.metrics.table import gradient_landscape as gradient_landscape
from .empirical.metrics.table import loss_surface as loss_surface
from .empirical.metrics.table import sharpness as sharpness
from .empirical.metrics.table import theorem_terms as theorem_terms
from .simulate.layer_checks.measure import check_layer as check_layer
from .simulate.random_matrices.laws.finite_product import FiniteProduct as FiniteProduct
from .simulate.random_matrices.laws.fuss_catalan import FussCatalan as FussCatalan
from .simulate.random_matrices.laws.hard_edge import HardEdge as HardEdge
from .simulate.random_matrices.laws.products import MarchenkoPastur as MarchenkoPastur
from .simulate.random_matrices.laws.products import ProductLaw as ProductLaw
from .simulate.random_matrices.laws.tracy_widom import TracyWidom as TracyWidom
from .simulate.random_matrices.spectra.singular_values import (
    log_singular_values as log_singular_values,
)
from .simulate.random_matrices.spectra.singular_values import singular_values as singular_values
from .theory.claim import Claim as Claim
from .theory.claim import Counterexample as Counterexample
from .theory.claim import Disproof as Disproof
from .theory.claim import Evidence as Evidence
from .theory.claim import ExactCase as ExactCase
from .theory.claim import Proof as Proof
from .theory.claim import RandomTest as RandomTest
from .theory.claim import SpectrumTest as SpectrumTest
from .theory.claim import Verdict as Verdict
from .verdicts import Result as Result
from .verdicts import Results as Results

__version__: str
