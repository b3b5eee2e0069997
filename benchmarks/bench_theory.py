"""Derivations, certificate checks and exact evaluation of each claim."""

import os
from time import process_time
from typing import Any

import bnproof.theory.claims
from bnproof.theory.claim import Claim, Counterexample, Proof, Settings
from bnproof.theory.claims.hessian import bn_hessian, santurkar_4_2_eps
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.layer import batchnorm
from bnproof.theory.loading import load_folder
from bnproof.theory.prove import check
from bnproof.theory.proving.certificate import Certificate
from bnproof.theory.proving.derivation import certify

timer = process_time  # used by asv; less affected by other processes than wall-clock time
CLAIMS = {
    claim.id: claim for claim in load_folder(bnproof.theory.claims) if isinstance(claim, Claim)
}
DERIVED = sorted(name for name, claim in CLAIMS.items() if claim.check_of(Proof))


class Theory:
    """Derivation of formulas for symbolic m, and evaluation of an exact counterexample."""

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
        """Number of entries of y in the counterexample; fewer are easier to check by hand."""
        return len(santurkar_4_2_eps.CLAIM.check_of(Counterexample).y)

    track_counterexample_size.unit = "entries"


class Claims:
    """For each claim: the derivation with all checks, and the check of its certificate alone."""

    params = DERIVED
    param_names = ("claim",)

    def setup_cache(self) -> dict[str, dict[str, Any]]:
        """Derive the certificates of all claims, as JSON values."""
        certificates = {}
        for name in DERIVED:
            claim = CLAIMS[name]
            spec = claim.check_of(Proof)
            target = claim.control if spec.of_control else claim.relation
            certificates[name] = certify(spec.prove(), target, claim.domain).to_json()
        return certificates

    def setup(self, certificates: dict[str, dict[str, Any]], name: str) -> None:
        os.environ["BNPROOF_CACHE"] = ""
        self.certificate = Certificate.from_json(certificates[name])
        batchnorm.first.cache_clear()
        batchnorm.second.cache_clear()

    def time_derive_and_check(self, certificates: dict[str, dict[str, Any]], name: str) -> None:
        check(CLAIMS[name], Settings())

    def time_check_certificate(self, certificates: dict[str, dict[str, Any]], name: str) -> None:
        self.certificate.holds()
