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
RULES_FILE = "tests/deploy/test_helm_values.py::test_a_rules_file_is_of_rules_and_of_this_release"
OBSERVED = "tests/deploy/test_helm_observed.py"
SCALING = "tests/deploy/test_helm_scaling.py"
TOLD = "tests/deploy/test_helm_observed.py::test_a_volume_that_no_pod_has_is_told_of"
TOPICS = "tests/deploy/test_helm_wiring.py::test_topics_keep_the_promise"
AUTHORITIES = "tests/deploy/test_helm_wiring.py::test_authorities_of_one_s_own_are_believed_by_each"
BACK = "tests/deploy/test_helm_private.py::test_keys_are_moved_back_for_the_version_before"
WRITERS = "tests/deploy/test_helm_wiring.py::test_writers_write_readers_read_and_nobody_alters"
PEOPLE = "tests/deploy/test_helm_wiring.py::test_users_of_people_are_made_where_they_are_wanted"
AUDITOR = "tests/deploy/test_helm_auditor.py"
CHOICES = "tests/deploy/test_terraform_choices.py"
PIPELINES = "tests/integration/test_pipelines.py"
FOLLOW = "tests/deploy/test_helm_follow.py"
VOLUMES = "tests/deploy/test_helm_volumes.py"
NAMES = "tests/deploy/test_helm_names.py"
PRIVATE = "tests/deploy/test_helm_private.py"
READY = "tests/deploy/test_helm_ready.py"
VALUE = "tests/deploy/test_helm_every_value.py"
EVERY = "tests/unit/cli/test_every.py"
IN_THE_IMAGE = "tests/integration/cards/test_follow.py::test_the_controller_s_image_has_what_they_need"
WORKFLOW = "examples/pipelines/github-actions.yml"
COPIED = (
    "audit", "cli", "service", "registry", "monitoring", "deploy", "docs", "tests/__init__.py", "tests/conftest.py",
    "tests/components", "tests/deploy", "tests/fault/__init__.py", "examples/credit/policy.yaml", "examples/credit/drift-policy.yaml",
    "examples/credit/pipeline", "examples/pipelines", "tests/integration/test_pipelines.py", EVERY,
    "tests/integration/cards", "requirements",
)  # fmt: skip


def check(name: str, file: str, old: str, new: str, tests: str, *, short: bool = False) -> Mutation:
    return Mutation(name, file, old, new, tests, short=short)


MUTATIONS = (
    # ---------------------------------------------------------------- Compose
    check("who has signed at an earlier start", "deploy/compose/work/prepare.py", "if person not in signed]", "if True]", "tests/deploy/test_compose_prepare.py"),
    check("a key for who ships", "deploy/compose/compose.yaml", "journals, target: /var/lib/affiant/data/journals, read_only: true, volume: {nocopy: true}}\n", "journals, target: /var/lib/affiant/data/journals, read_only: true, volume: {nocopy: true}}\n      - {type: volume, source: journal-keys, target: /var/lib/affiant/journal-keys, volume: {nocopy: true}}\n", "tests/deploy/test_compose_settings.py"),
    # ---------------------------------------------------------------- who ships, and who signs
    check("the journals' keys, for the sidecar", f"{CHART}/_pod.tpl", "{name: data, mountPath: /var/lib/affiant/data, subPath: data}", "{name: data, mountPath: /var/lib/affiant}", PRIVATE),
    check("and the journals", f"{CHART}/_pod.tpl", "subPath: data/journals, readOnly: true", "subPath: data/journals", PRIVATE),
    check("keys that are moved again", f"{CHART}/_pod.tpl", "if [ ! -d journal-keys ]; then", "if true; then", PRIVATE),
    check("an image that nobody can pin", "deploy/compose/compose.yaml", "image: ${KAFKA_IMAGE:-apache/kafka:4.1.0}", "image: apache/kafka:4.1.0", "tests/deploy/test_compose.py::test_who_deploys_it_is_told_how_to_pin_images"),
    check("a Secret that was changed", f"{CHART}/_pod.tpl", "          seen=$now\n", "          seen=$now; exec sleep 1000\n", PRIVATE),
    check("payload keys for who writes first", f"{CHART}/_pod.tpl", '(eq $.component "gateway") (eq .path', '(eq $.component "nobody") (eq .path', PRIVATE),
    check("copies of the owner alone", f"{CHART}/_pod.tpl", "install -m 0600 -- {{ . }} /run/affiant/keys/.new/", "install -m 0640 -- {{ . }} /run/affiant/keys/.new/", PRIVATE),
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
    check("names at another port", f"{CHART}/networkpolicies.yaml", "        - {port: {{ . }}, protocol: UDP}\n", "        - {port: 53, protocol: UDP}\n", WAYS),
    check("spans of nobody", f"{CHART}/_settings.tpl", '{{- if ne .component "gateway" -}}\n{{- $table = pick', "{{- if false -}}\n{{- $table = pick", WAYS),
    check("a way of no spans", f"{CHART}/networkpolicies.yaml", '"notary" (list "kafka"', '"notary" (list "telemetry" "kafka"', WAYS),
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
    check("monitors without a partition", f"{CHART}/_refused.tpl", "(gt (int $v.monitor.autoscaling.minReplicas) (int $v.kafka.partitions))", "false", REFUSED),
    check("two files of one path", f"{CHART}/_refused.tpl", "{{- if has .path $paths -}}", "{{- if false -}}", REFUSED),
    check("a label that is the chart's", f"{CHART}/_labels.tpl", "{{- if regexMatch $ours $label -}}", "{{- if false -}}", REFUSED),
    check("a label twice", f"{CHART}/_labels.tpl", "{{- if hasKey (default dict $v.commonLabels) $label -}}", "{{- if false -}}", REFUSED),
    check("a group that there is not", f"{CHART}/_rules.tpl", "{{- if not (has . $names) -}}", "{{- if false -}}", REFUSED),
    check("rules that act on nothing", f"{CHART}/_rules.tpl", '(not (include "affiant.rules.act" $))', "false", REFUSED),
    check("a file that holds no rules", f"{CHART}/_rules.tpl", "{{- if not $good -}}", "{{- if false -}}", RULES_FILE),
    check("rules of everybody", f"{CHART}/_rules.tpl", "{{- with $alien -}}", "{{- with list -}}", RULES_FILE),
    # ---------------------------------------------------------------- of this release
    check("series that are nobody's", f"{CHART}/prometheus.yaml", '        - {targetLabel: affiant_installation, replacement: {{ include "affiant.installation" $ | quote }}}\n', "", f"{OBSERVED}::test_jobs_have_the_names_that_alerts_know"),
    check("the operator's service for ours", f"{CHART}/prometheus.yaml", "        - {regex: service, action: labeldrop}\n", "        - {regex: node, action: labeldrop}\n", f"{OBSERVED}::test_the_operator_s_labels_take_no_place_of_ours"),
    check("nothing known, and so nobody wanted", f"{CHART}/autoscaling.yaml", 'ignoreNullValues: "false"\n', "", f"{SCALING}::test_a_series_that_is_missing_lets_nobody_go"),
    check("a rate that is not there yet", f"{CHART}/autoscaling.yaml", " unless sum(affiant_requests_total{ {{- . -}} })", "", f"{SCALING}::test_a_series_that_is_missing_lets_nobody_go"),
    check("metadata twice", "deploy/helm/affiant/values.schema.json", '"required": [\n           "query"\n', '"required": [\n           "-"\n', f"{SCALING}::test_keda_asks_as_whom_it_is_told"),
    check("a count for a rate", "deploy/prometheus-adapter/values.yaml", "(rate(<<.Series>>{<<.LabelMatchers>>}[2m]))", "(<<.Series>>{<<.LabelMatchers>>})", f"{SCALING}::test_the_adapter_serves_the_metric_that_the_autoscaler_asks_for"),
    check("everybody's rate", "deploy/prometheus-adapter/values.yaml", "{<<.LabelMatchers>>}", "", f"{SCALING}::test_the_adapter_serves_the_metric_that_the_autoscaler_asks_for"),
    check("a metric of another name", "deploy/prometheus-adapter/values.yaml", "as: affiant_requests_per_second", "as: affiant_requests", f"{SCALING}::test_the_adapter_serves_the_metric_that_the_autoscaler_asks_for"),
    check("as nobody", f"{CHART}/autoscaling.yaml", "authenticationRef: {name: {{ .name }}, kind: {{ .kind }}}\n", "", f"{SCALING}::test_keda_asks_as_whom_it_is_told"),
    check("another release's load", f"{CHART}/autoscaling.yaml", 'affiant_monitor_lag_records{ {{- include "affiant.ours" . }},', "affiant_monitor_lag_records{", f"{SCALING}::test_autoscalers_ask_for_metrics_that_there_are"),
    check("another release's monitors", f"{CHART}/_rules.tpl", '(printf "%s/%s" .Release.Namespace .Release.Name)', "(print .Release.Namespace)", f"{OBSERVED}::test_two_releases_neither_hide_nor_disturb_each_other"),
    check("another release's alarms", f"{CHART}/prometheus.yaml", '      - {name: affiant_installation, matchType: "=", value: {{ include "affiant.installation" . | quote }}}\n', "", f"{OBSERVED}::test_the_controller_hears_as_it_does_without_the_operator"),
    check("an alert that says no release", f"{CHART}/prometheus.yaml", "(merge (deepCopy $ours) (default dict .labels))", "(default dict .labels)", f"{OBSERVED}::test_rules_say_where_they_are_of_and_leave_out_who_is_not_there"),
    check("an alert without its page", f"{CHART}/prometheus.yaml", "(merge (default dict .annotations) $page)", "(default dict .annotations)", f"{OBSERVED}::test_each_rendered_alert_has_its_runbook"),
    check("a controller that is not ready", f"{CHART}/prometheus.yaml", "-alerts.{{ .Release.Namespace }}.svc:9467/alerts", ".{{ .Release.Namespace }}.svc:9467/alerts", f"{OBSERVED}::test_alerts_go_to_controllers_that_are_ready_and_scrapes_to_all", short=True),
    check("a controller that hears nothing", f"{CHART}/NOTES.txt", '(not (include "affiant.rules.act" .))', "false", f"{WAYS}::test_the_notes_tell_that_no_alert_is_for_the_controller"),
    check("gateways that go with their readers", f"{CHART}/_names.tpl", "(default .root.Chart.AppVersion $image.tag)", "(default .root.Chart.AppVersion .root.Values.images.notary.tag)", "tests/deploy/test_helm.py::test_readers_are_upgraded_before_gateways"),
    check("loss that nobody is told of", f"{CHART}/NOTES.txt", "{{- if not .Values.gateway.persistence.enabled }}", "{{- if false }}", f"{WAYS}::test_the_notes_tell_what_was_chosen"),
    check("a test that always passes", f"{CHART}/tests/ready.yaml", "wrong, why = 1,", "wrong, why = 0,", READY, short=True),
    # ---------------------------------------------------------------- values that would do nothing
    check("a runtime of the cluster's choice", f"{CHART}/gateway.yaml", "runtimeClassName: {{ . }}", "runtimeClassName: runc", f"{VALUE}::test_what_is_set_stands_in_a_manifest", short=True),
    check("gateways of everybody's taints", f"{CHART}/_pod.tpl", "{{- with $pod.tolerations }}", "{{- with .root.Values.gateway.tolerations }}", f"{VALUE}::test_where_a_pod_goes_and_what_it_has_is_its_own"),
    check("topics unasked", f"{CHART}/strimzi.yaml", "{{- if $strimzi.topics }}", "{{- if true }}", f"{VALUE}::test_what_is_chosen_renders_something_of_its_own[strimzi.topics]"),
    check("settings that go nowhere", f"{CHART}/_settings.tpl", "mergeOverwrite $table (deepCopy (default dict .Values.settings.sidecar))", "$table", f"{VALUE}::test_each_setting_stands_in_somebody_s_file"),
    check("a field of a younger cluster", f"{CHART}/_pod.tpl", "enableServiceLinks: false", "enableServiceLinks: false\nhostnameOverride: gateway", "tests/deploy/test_helm.py::test_what_it_renders_is_what_kubernetes_takes"),
    # ---------------------------------------------------------------- what pipelines install
    check("whoever has the name", WORKFLOW, "          mkdir ", "          pip install 'affiant[gates]'\n          mkdir ", f"{PIPELINES}::test_nothing_that_we_ship_installs_affiant_by_its_name", short=True),
    check("a wheel of any bytes", WORKFLOW, "#sha256=$AFFIANT_SHA256", "", f"{PIPELINES}::test_the_workflow_installs_the_wheel_of_that_hash_and_no_other"),
    check("an action by its tag", WORKFLOW, f"actions/checkout@{'0' * 40}", "actions/checkout@v4", f"{PIPELINES}::test_whose_actions_the_workflow_runs_is_said_by_their_commit"),
    check("an image that judges", "examples/credit/pipeline/Dockerfile", '"repro", "train"', '"repro"', f"{PIPELINES}::test_the_training_image_has_what_its_stages_run"),
    # ---------------------------------------------------------------- what follows by itself
    check("pods in order", f"{CHART}/gateway.yaml", "podManagementPolicy: Parallel", "podManagementPolicy: OrderedReady", "tests/deploy/test_helm.py::test_an_update_that_hangs_is_put_right_by_the_next_one"),
    check("a pause of nothing", f"{CHART}/gateway.yaml", "{{- with $gateway.preStopSeconds }}", "{{- with toString $gateway.preStopSeconds }}", "tests/deploy/test_helm.py::test_a_pause_before_the_end_is_there_or_it_is_none"),
    check("two runs at once", f"{CHART}/follow.yaml", "concurrencyPolicy: Forbid", "concurrencyPolicy: Allow", FOLLOW),
    check("who reads writes", f"{CHART}/follow.yaml", 'if or (eq .job "cards") $own', "if true", FOLLOW, short=True),
    check("keys of payloads", f"{CHART}/_wiring.tpl", '(not (has .component (list "notary" "follow" "auditor"))) -}}\n{{- $keys', '(ne .component "notary") -}}\n{{- $keys', FOLLOW),
    check("a job's name too long", f"{CHART}/_names.tpl", 'printf "%s-%s" (include "affiant.fullname" .root) .job', 'printf "%s-follow-%s" (include "affiant.fullname" .root) .job', NAMES),
    check("a name as long as the release's", f"{CHART}/_names.tpl", ".Values.fullnameOverride | trunc 40", ".Values.fullnameOverride | trunc 63", NAMES),
    check("a job that never went well", f"{CHART}/prometheus.yaml", " or on (namespace, cronjob) kube_cronjob_created{ {{- $of -}} }", "", FOLLOW),
    check("a way to buckets", f"{CHART}/networkpolicies.yaml", '"follow" (list "kafka"', '"follow" (list "objectStore" "kafka"', WAYS),
    check("an auditor who writes", f"{CHART}/strimzi.yaml", '"auditor" (dict $kafka.topics.entries $read $kafka.topics.governance $read)', '"auditor" (dict $kafka.topics.entries $read $kafka.topics.governance $write)', WRITERS),
    check("an operator who could not sign", f"{CHART}/strimzi.yaml", '"operator" (dict $kafka.topics.entries $read $kafka.topics.governance $write)', '"operator" (dict $kafka.topics.entries $read $kafka.topics.governance $read)', WRITERS),
    check("users that nobody wants", f"{CHART}/strimzi.yaml", "(has $component $strimzi.people)", '(has $component (list "operator" "auditor"))', PEOPLE),
    check("a release before anything is deployed", f"{MODULE}/release.tf", "  count = var.release ? 1 : 0\n", "", CHOICES),
    check("a key that is not followed", f"{CHART}/NOTES.txt", 'list "notary" "controller"', 'list "notary"', WAYS),
    check("an install that would be waited for", f"{CHART}/NOTES.txt", "and .Release.IsInstall", "and false .Release.IsInstall", WAYS),
    check("who erases and could delete proofs", f"{MODULE}/roles.tf", 'delete = ["archive", "payloads"]', 'delete = ["archive", "payloads", "sealed"]', "tests/deploy/test_terraform.py"),
    check("erasers that nobody named", f"{MODULE}/roles.tf", " if length(principals) > 0 }", " }", CHOICES),
    check("auditors that are whole accounts", f"{MODULE}/variables-buckets.tf", ":(role|user)/[^*]+$", ":.+$", "tests/deploy/test_terraform.py"),
    check("a proof that does not see the archive", f"{CHART}/_settings.tpl", '{{- if eq .component "auditor" -}}', "{{- if false -}}", AUDITOR),
    check("an auditor with payload keys", f"{CHART}/_wiring.tpl", '(has .component (list "notary" "follow" "auditor"))', '(has .component (list "notary" "follow"))', AUDITOR),
    check("a proof that failed and nobody is told", f"{CHART}/prometheus.yaml", " or time() - {{ $well }} and on (namespace, cronjob) {{ $failed }}", "", AUDITOR),
    check("a proof that is at work and told of", f"{CHART}/prometheus.yaml", ' unless on (namespace, cronjob) kube_cronjob_status_active{%s} > 0)" $of $well $of', ')" $of $well', AUDITOR),
    check("a proof of nothing", f"{CHART}/_refused.tpl", "{{- if and $v.auditor.enabled (not $v.notary.enabled) -}}", "{{- if false -}}", REFUSED),
    check("a proof without its role", f"{MODULE}/roles.tf", 'var.audit ? ["auditor"] : []', "[]", CHOICES),
    check("an image without what reads roots", "requirements/auditor.txt", "\nsecuresystemslib==", "\nsecuresystem==", AUDITOR),
    check("principals that nobody named", f"{MODULE}/acls.tf", " if principal != null }", " }", CHOICES),
    check("a reader who writes", f"{CHART}/strimzi.yaml", '"follow" (dict $kafka.topics.governance $read)', '"follow" (dict $kafka.topics.governance $write)', WRITERS),
    check("nothing to follow", f"{CHART}/_refused.tpl", 'if not (or $v.follow.cards (include "affiant.follow.mlflow" .))', "if false", REFUSED),
    check("a loop of wrong settings", "cli/every.py", "told is None or told.code == USAGE", "told is None", EVERY),
    check("a loop that ends with a package", "cli/every.py", "if end.exit_code == USAGE:", "if end.exit_code:", EVERY, short=True),
    check("a file that says it went well", "cli/every.py", "                once()\n                _touched(touch)\n", "                _touched(touch)\n                once()\n", EVERY),
    check("an image without templates", "requirements/controller.txt", "jinja2==", "jinja==", IN_THE_IMAGE),
    # ---------------------------------------------------------------- of a release that is there
    check("one pod at the switch", f"{CHART}/autoscaling.yaml", "{{- $live.spec.replicas | int64 -}}", "", f"{SCALING}::test_who_is_switched_to_an_autoscaler_stays_as_many", short=True),
    check("a manifest that says no more", f"{CHART}/autoscaling.yaml", "{{- if not . -}}\nannotations:", "{{- if true -}}\nannotations:", f"{SCALING}::test_who_is_switched_to_an_autoscaler_stays_as_many"),
    check("the number of a day", f"{CHART}/autoscaling.yaml", '(ne (dig "metadata" "annotations" "affiant.dev/replicas" "" $live) "autoscaler")', "true", f"{SCALING}::test_where_an_autoscaler_has_always_decided_nothing_is_said"),
    check("claims that cannot change", f"{CHART}/_refused.tpl", '(ne (include "affiant.bytes" $has | float64) $room)', "false", VOLUMES),
    check("a size by its letters", f"{CHART}/_refused.tpl", '(ne (include "affiant.bytes" $has | float64) $room)', "(ne $has $v.gateway.persistence.size)", VOLUMES),
    check("every size", "docs/kubernetes.md", "'s/^\\( *storage:\\) .*/", "'s/\\( *storage:\\) .*/", VOLUMES),
    check("a key that is written over", "docs/kubernetes.md", "then mv -n -- ", "then mv -- ", BACK),
    check("a move that was ended half-way", "docs/kubernetes.md", "for keys in journal-keys.new journal-keys; do", "for keys in journal-keys; do", BACK, short=True),
    check("keys that stay moved", "docs/kubernetes.md", "            rmdir $keys\n", "", BACK),
    check("an alert that a monthly proof cannot have", "deploy/helm/affiant/values.schema.json", '"maximum": 3024000', '"maximum": 2678400', "tests/deploy/test_helm_auditor.py::test_the_alert_waits_for_the_end_of_the_next_run"),
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
