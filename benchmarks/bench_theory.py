"""Derivations, certificate checks and exact evaluation, claim by claim."""

import os

import theory.claims
from theory import batchnorm, exact
from theory.catalogue import load_folder
from theory.claim import Claim, Counterexample, Derived, Settings
from theory.claims import bn_hessian, santurkar_4_2_eps
from theory.derived import check
from theory.proof import certify

CLAIMS = {claim.id: claim for claim in load_folder(theory.claims) if isinstance(claim, Claim)}
DERIVED = sorted(name for name, claim in CLAIMS.items() if claim.means_of(Derived))


class Theory:
    """Formulas for symbolic m from the layer's definition, and a counterexample in rationals."""

    timeout = 120

    def setup(self) -> None:
        batchnorm.first.cache_clear()
        batchnorm.second.cache_clear()

    def time_derive_hessian(self) -> None:
        bn_hessian.prove()

    def time_exact_counterexample(self) -> None:
        exact.check(santurkar_4_2_eps.CLAIM, Settings())

    def peakmem_derive_hessian(self) -> None:
        bn_hessian.prove()

    def track_counterexample_size(self) -> int:
        """Entries of y in the counterexample: fewer are easier to check by hand."""
        return len(santurkar_4_2_eps.CLAIM.means_of(Counterexample).y)

    track_counterexample_size.unit = "entries"


class Claims:
    """Each claim: derivation with its checks, and the certificate alone."""

    params = DERIVED
    param_names = ("claim",)
    timeout = 120

    def setup(self, name: str) -> None:
        os.environ["BNPROOF_CACHE"] = ""
        self.claim = CLAIMS[name]
        way = self.claim.means_of(Derived)
        target = self.claim.control if way.of_control else self.claim.relation
        self.certificate = certify(way.prove(), target, self.claim.domain)

    def time_derive_and_check(self, name: str) -> None:
        check(self.claim, Settings())

    def time_check_certificate(self, name: str) -> None:
        self.certificate.holds()
