"""Model signing: an OpenSSF model signature by a key that the policy names."""

from __future__ import annotations

from importlib.metadata import version

from registry.package import Package
from registry.policy.gates import ModelSigning

from .base import CannotJudge, Datasets, Outcome

NEEDS = ("the package's signatures, as the store has them", "the extra signing")


def judge(package: Package, datasets: Datasets, limits: ModelSigning) -> Outcome:
    """One signature is enough. Those that do not count are told, and stop nobody while another counts."""
    from registry.signing.keys import public_key
    from registry.signing.verify import Trust, findings

    if datasets.signatures is None:
        raise CannotJudge("nobody looked for signatures")
    trust = Trust([public_key(each.encode(), "the policy's key") for each in limits.public_keys])
    found = findings(datasets.signatures, package, trust)
    good = [each for each in found if each.holds]
    figures = {
        "signed_by": sorted({each.by for each in good if each.by is not None}),
        "signatures": {each.digest: each.problem or "holds" for each in found},
    }
    if not found:  # then the library was not asked either
        return Outcome(("it has no signature",) if limits.required else (), figures)
    problems = "; ".join(each.problem for each in found[:3])
    failures = () if good else (f"none of its {len(found)} signatures counts: {problems}",)
    return Outcome(failures, figures, {"model-signing": version("model-signing")})
