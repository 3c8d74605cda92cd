"""Judging a package as a Kubeflow Pipelines (v2) component.

    python kubeflow_component.py gate.yaml     # compiles it, to be loaded by anybody's pipeline

The image is yours: Affiant's `registry` and `gates` extras, and the settings that name store and governance log. The
pipeline's key is mounted from a secret (kfp-kubernetes: `use_secret_as_volume`), and never a parameter: parameters are
kept and shown.
"""

# No `from __future__ import annotations`: kfp reads the annotations as what they are.
import sys

from kfp import compiler, dsl

IMAGE = "registry.example.com/affiant/registry@sha256:" + "0" * 64

# Artifacts have no endings, and tables and documents are told by theirs.
JUDGE = """\
cp "$1" /tmp/holdout.csv
cp "$2" /tmp/documents.yaml
shift 2
exec affiant gate run "$@" --holdout /tmp/holdout.csv --documents /tmp/documents.yaml
"""


@dsl.container_component
def gate(
    digest: str,
    service: str,
    holdout: dsl.Input[dsl.Dataset],
    documents: dsl.Input[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    settings: str = "/etc/affiant/affiant.toml",
    key: str = "/etc/affiant/keys/gates.key",
) -> dsl.ContainerSpec:
    """Run every gate of the policy in force; the task fails when one does."""
    return dsl.ContainerSpec(image=IMAGE, command=["sh", "-ec", JUDGE, "gate"], args=[
        holdout.path, documents.path,
        digest, "--service", service, "--key", key, "--out", report.path, "--config", settings,
    ])  # fmt: skip


if __name__ == "__main__":
    compiler.Compiler().compile(gate, sys.argv[1])
