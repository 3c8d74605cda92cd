"""Each guard of the chart and of the Terraform module is taken out once, in a copy, and the tests must fail."""

# ruff: noqa: E501 — a check and what takes it out, on a line

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, copy_code, params, run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(400)]

CHART = "deploy/helm/affiant/templates"
MODULE = "deploy/terraform"
MESH = "tests/deploy/test_helm_mesh.py"
WAYS = "tests/deploy/test_helm_ways.py"
DRAIN = "tests/deploy/test_helm_drain.py"
REFUSED = "tests/deploy/test_helm_values.py::test_what_cannot_be_is_refused_and_said"
TOLD = "tests/deploy/test_helm_observed.py::test_a_volume_that_no_pod_has_is_told_of"
TOPICS = "tests/deploy/test_helm_wiring.py::test_topics_keep_the_promise"
AUTHORITIES = "tests/deploy/test_helm_wiring.py::test_authorities_of_one_s_own_are_believed_by_each"
CHOICES = "tests/deploy/test_terraform_choices.py"
COPIED = (
    "audit", "cli", "service", "registry", "monitoring", "deploy", "docs", "tests/__init__.py", "tests/conftest.py",
    "tests/components", "tests/deploy", "tests/fault/__init__.py",
)  # fmt: skip


def check(name: str, file: str, old: str, new: str, tests: str, *, short: bool = False) -> Mutation:
    return Mutation(name, file, old, new, tests, short=short)


MUTATIONS = (
    # ---------------------------------------------------------------- in a mesh
    check("TLS below the proxy's", f"{CHART}/_wiring.tpl", "(and .Values.certManager.enabled (not .Values.istio.enabled))", ".Values.certManager.enabled", MESH, short=True),
    check("a pod without a proxy", f"{CHART}/_names.tpl", '{{- include "affiant.mesh.labels" .root }}\n', "", MESH),
    check("a proxy that ends first", f"{CHART}/_mesh.tpl", 'sidecar.istio.io/nativeSidecar: "true"\n', "{}\n", MESH),
    check("a proxy without its control plane", f"{CHART}/networkpolicies.yaml", '{{- include "affiant.to" $policy.istiod | trim | nindent 4 }}', "[]", MESH),
    check("the gateway in the clear", f"{CHART}/_mesh.tpl", '{{- else if eq .job "gateway" -}}\n', '{{- else if eq .job "gateway" -}}yes\n', MESH),
    check("Alertmanager", f"{CHART}/_mesh.tpl", '{{- else if and (eq .job "controller") (include "affiant.controller.tls" .root) -}}yes\n', "", MESH),
    check("monitors among themselves", f"{CHART}/_mesh.tpl", '{{- else if and (eq .job "monitor") $several -}}yes\n', "", MESH),
    check("certificates where none is taken", f"{CHART}/_mesh.tpl", '{{- if include "affiant.mesh.open" . -}}\n{{- if .tls -}}', "{{- if not .root.Values.istio.metricsCertificates -}}\n{{- if .tls -}}", MESH),
    check("the agent's port", f"{CHART}/networkpolicies.yaml", "{{ $ports = append $ports 15020 }}", "", MESH),
    check("callers in the mesh", f"{CHART}/istio.yaml", '(has "mesh" $istio.virtualService.gateways)', "false", MESH),
    # ---------------------------------------------------------------- ways out
    check("a drain job's copy", f"{CHART}/networkpolicies.yaml", '"drain" (list "kafka" "objectStore" "fluentd" "identity")', '"drain" (list "kafka" "objectStore" "identity")', WAYS),
    check("everybody's way", f"{CHART}/networkpolicies.yaml", "{{- with index .policy.extraEgress .component }}", "{{- with .policy.extraEgress.gateway }}", WAYS),
    check("roles that are got of nobody", f"{MODULE}/examples/eks/values.yaml", "  identity: *endpoints\n", "", CHOICES),
    # ---------------------------------------------------------------- refused
    check("own TLS and STRICT", f"{CHART}/_refused.tpl", '{{- if eq $v.istio.mtlsMode "STRICT" -}}', "{{- if false -}}", REFUSED),
    check("routes in what is encrypted", f"{CHART}/_refused.tpl", "{{- if $v.istio.virtualService.enabled -}}", "{{- if false -}}", REFUSED),
    check("a Prometheus that nobody answers", f"{CHART}/_refused.tpl", "(not $v.istio.metricsCertificates) (not $v.istio.plaintextMetrics)", "false", REFUSED),
    check("clients' certificates without TLS", f"{CHART}/_refused.tpl", '{{- if and $v.gateway.tls.clientCertificates (not (include "affiant.gateway.tls" .)) -}}', "{{- if false -}}", REFUSED),
    check("clients of no authority", f"{CHART}/_refused.tpl", "{{- if and $v.gateway.tls.clientCertificates (not $v.gateway.tls.caKey) -}}", "{{- if false -}}", REFUSED),
    check("two keys of the notary", f"{CHART}/_refused.tpl", "{{- if $v.notary.keySecret.secretName -}}", "{{- if false -}}", REFUSED),
    check("two bundles", f"{CHART}/_refused.tpl", "{{- if and $v.caBundle.configMapName $v.caBundle.secretName -}}", "{{- if false -}}", REFUSED),
    check("no archive", f"{CHART}/_refused.tpl", "{{- if not $v.kafka.archived -}}", "{{- if false -}}", REFUSED),
    check("a retention of an hour", f"{CHART}/_refused.tpl", "{{- if lt (int64 $v.kafka.retentionMs) 86400000 -}}", "{{- if false -}}", REFUSED),
    # ---------------------------------------------------------------- drained, kept
    check("a job that changes", f"{CHART}/drain.yaml", "sha256sum $spec", "sha256sum .", DRAIN),
    check("settings of a job", f"{CHART}/drain.yaml", 'affiant.dev/settings: {{ include "affiant.checksum" $gateway }}', 'affiant.dev/settings: "1"', DRAIN),
    check("claims of others", f"{CHART}/prometheus.yaml", '"data-%s-[0-9]+"', '"data-.*%.0s"', TOLD),
    check("what governs is dropped", f"{CHART}/strimzi.yaml", '"partitions" 1 "config" $log', '"partitions" 1 "config" $record', TOPICS),
    check("the module's archive", f"{MODULE}/release.tf", "archived     = var.kafka_retention_ms >= 0", "archived     = true", CHOICES),
    check("nobody's name", f"{MODULE}/release.tf", ' ? trimprefix(principal, "User:") : ""', ' ? principal : ""', CHOICES),
    check("a key that a plan destroys", f"{MODULE}/buckets.tf", "  deletion_window_in_days = 30\n  tags                    = var.tags\n\n  lifecycle {\n    prevent_destroy = true\n  }\n", "  deletion_window_in_days = 30\n", CHOICES),
    check("a store's authority", f"{CHART}/_settings.tpl", '{{- if and (include "affiant.ca" .) (not $plain) -}}', "{{- if false -}}", AUTHORITIES),
)  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the tests need."""
    copied = copy_code(tmp_path, COPIED)
    ini = (copied / "pytest.ini").read_text()
    more = "".join(f"    {mark}: as in the project\n" for mark in ("oci", "cuda", "mlflow", "prometheus"))
    (copied / "pytest.ini").write_text(ini + more)
    return copied


@pytest.mark.long
@pytest.mark.parametrize("tests", sorted({mutation.tests for mutation in MUTATIONS}))
def test_without_a_mutation_the_tests_pass(copy: Path, tests: str) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, tests)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
