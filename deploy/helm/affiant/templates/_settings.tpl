{{/* affiant.toml of each component: what the chart decides, and `settings` of the values beside it. */}}

{{- define "affiant.settings.data" -}}
{{- include "affiant.toml.table" (dict "name" "data" "table" (dict "directory" "/var/lib/affiant/data")) -}}
{{- end -}}

{{/* (root, component): the same cluster for all, each with its own user. */}}
{{- define "affiant.settings.log" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $user := include "affiant.kafka.user" . | fromYaml -}}
{{- $table := dict "backend" "kafka" "bootstrap" $kafka.bootstrap "topic" $kafka.topics.entries -}}
{{- $_ := set $table "governance_topic" $kafka.topics.governance -}}
{{- $_ := set $table "partitions" $kafka.partitions -}}
{{- $_ := set $table "replication" $kafka.replication -}}
{{- $_ := set $table "archived" $kafka.archived -}}
{{- $_ := set $table "security_protocol" $kafka.securityProtocol -}}
{{- if include "affiant.kafka.ca" .root -}}
{{- $_ := set $table "ca_file" "/run/affiant/kafka/ca.crt" -}}
{{- end -}}
{{- if include "affiant.kafka.sasl" .root -}}
{{- $_ := set $table "sasl_mechanism" $kafka.saslMechanism -}}
{{- $_ := set $table "sasl_username" $user.username -}}
{{- $_ := set $table "sasl_password_file" "/run/affiant/kafka/password" -}}
{{- else if and $user.secretName (eq $kafka.securityProtocol "SSL") -}}
{{- $_ := set $table "certificate_file" "/run/affiant/kafka/user.crt" -}}
{{- $_ := set $table "key_file" "/run/affiant/kafka/user.key" -}}
{{- end -}}
{{- include "affiant.toml.table" (dict "name" "log" "table" $table) -}}
{{- end -}}

{{- define "affiant.settings.gateway" -}}
{{- $gateway := .Values.gateway -}}
{{- $table := dict "host" .Values.listen "port" 3000 "device" $gateway.device -}}
{{- $_ := set $table "keys_file" "/run/affiant/keys/keys.json" -}}
{{- if include "affiant.gateway.tls" . -}}
{{- $_ := set $table "tls_certificate" "/run/affiant/tls/tls.crt" -}}
{{- $_ := set $table "tls_key" "/run/affiant/tls/tls.key" -}}
{{- if $gateway.tls.clientCertificates -}}
{{- $_ := set $table "client_ca" (printf "/run/affiant/tls/%s" $gateway.tls.caKey) -}}
{{- end -}}
{{- end -}}
{{- $_ := mergeOverwrite $table (deepCopy (default dict .Values.settings.gateway)) -}}
{{- include "affiant.toml.table" (dict "name" "gateway" "table" $table) -}}
{{- end -}}

{{- define "affiant.settings.journal" -}}
{{- $table := deepCopy (default dict .Values.settings.journal) -}}
{{- $_ := set $table "key_directory" "/var/lib/affiant/journal-keys" -}}
{{- include "affiant.toml.table" (dict "name" "journal" "table" $table) -}}
{{- end -}}

{{- define "affiant.settings.sidecar" -}}
{{- $table := dict "metrics_host" .Values.listen "metrics_port" 9464 "object_store" .Values.objectStore.payloads -}}
{{- $_ := mergeOverwrite $table (deepCopy (default dict .Values.settings.sidecar)) -}}
{{- include "affiant.toml.table" (dict "name" "sidecar" "table" $table) -}}
{{- end -}}

{{/* (root, component): the notary's own, and what others must know of it. */}}
{{- define "affiant.settings.notary" -}}
{{- $notary := .root.Values.notary -}}
{{- $stores := .root.Values.objectStore -}}
{{- $table := dict "name" $notary.name "public_key_file" "/etc/affiant/notary.pub" "store" $stores.sealed -}}
{{- $settings := deepCopy (default dict .root.Values.settings.notary) -}}
{{- if eq .component "notary" -}}
{{- if not (include "affiant.notary.signer" .root) -}}
{{- $_ := set $table "key_file" "/run/affiant/keys/notary.key" -}}
{{- end -}}
{{- $_ := set $table "metrics_host" .root.Values.listen -}}
{{- $_ := set $table "metrics_port" 9465 -}}
{{- $_ := set $table "object_lock" $stores.objectLock -}}
{{- with $stores.sealedPayloads }}{{ $_ := set $table "payload_store" . }}{{ end -}}
{{- else -}}
{{- $settings = pick $settings "witnesses" "quorum" -}}
{{- if eq .component "auditor" -}}
{{- with $stores.sealedPayloads }}{{ $_ := set $table "payload_store" . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $_ := mergeOverwrite $table $settings -}}
{{- include "affiant.toml.table" (dict "name" "notary" "table" $table) -}}
{{- end -}}

{{- define "affiant.settings.monitor" -}}
{{- $table := dict "group" .Values.kafka.monitorGroup "state_topic" .Values.kafka.topics.panes "evaluate" false -}}
{{- $_ := set $table "metrics_host" .Values.listen -}}
{{- $_ := set $table "metrics_port" 9466 -}}
{{- $_ := mergeOverwrite $table (deepCopy (default dict .Values.settings.monitor)) -}}
{{- if and .Values.monitor.policy (not (include "affiant.governed" .)) -}}
{{- $_ := set $table "policy" "/etc/affiant/policy.yaml" -}}
{{- end -}}
{{- include "affiant.toml.table" (dict "name" "monitor" "table" $table) -}}
{{- end -}}

{{- define "affiant.settings.controller" -}}
{{- $monitor := include "affiant.component" (dict "root" . "component" "monitor") -}}
{{- $table := dict "host" .Values.listen "port" 9467 "key_file" "/run/affiant/keys/controller.key" -}}
{{- if .Values.controller.tokenSecret.secretName -}}
{{- $_ := set $table "token_file" "/run/affiant/keys/controller.token" -}}
{{- end -}}
{{- $_ := set $table "monitor_url" (printf "http://%s.%s.svc:9466" $monitor .Release.Namespace) -}}
{{- if include "affiant.controller.tls" . -}}
{{- $_ := set $table "tls_certificate" "/run/affiant/tls/tls.crt" -}}
{{- $_ := set $table "tls_key" "/run/affiant/tls/tls.key" -}}
{{- if .Values.controller.tls.clientCertificates -}}
{{- $_ := set $table "client_ca" (printf "/run/affiant/tls/%s" .Values.controller.tls.caKey) -}}
{{- end -}}
{{- end -}}
{{- $_ := mergeOverwrite $table (deepCopy (default dict .Values.settings.controller)) -}}
{{- include "affiant.toml.table" (dict "name" "controller" "table" $table) -}}
{{- end -}}

{{- define "affiant.settings.store" -}}
{{- $models := .Values.models -}}
{{- $table := dict "backend" $models.backend "timeout_seconds" $models.timeoutSeconds -}}
{{- if eq $models.backend "oci" -}}
{{- $_ := set $table "reference" $models.reference -}}
{{- $_ := set $table "plain_http" $models.plainHttp -}}
{{- else -}}
{{- $_ := set $table "tracking_uri" $models.trackingUri -}}
{{- $_ := set $table "prefix" $models.prefix -}}
{{- end -}}
{{- $plain := ternary $models.plainHttp (hasPrefix "http://" $models.trackingUri) (eq $models.backend "oci") -}}
{{- if and (include "affiant.ca" .) (not $plain) -}}
{{- $_ := set $table "ca_file" (include "affiant.ca" .) -}}
{{- end -}}
{{- include "affiant.toml.table" (dict "name" "store" "table" $table) -}}
{{- end -}}

{{- define "affiant.settings.governance" -}}
{{- if include "affiant.governed" . -}}
{{- $table := dict "root" "/run/affiant/governance/root.json" "checkpoint" .Values.governance.checkpoint -}}
{{- include "affiant.toml.table" (dict "name" "governance" "table" $table) -}}
{{- end -}}
{{- end -}}

{{- define "affiant.settings.encryption" -}}
{{- $table := deepCopy (default dict .Values.settings.encryption) -}}
{{- if .Values.encryption.keysSecret.secretName -}}
{{- $_ := set $table "keys_file" "/run/affiant/keys/payload-keys.json" -}}
{{- end -}}
{{- if $table -}}
{{- include "affiant.toml.table" (dict "name" "encryption" "table" $table) -}}
{{- end -}}
{{- end -}}

{{/* (root, component): spans are the gateway's and its sidecar's; the others, and `affiant drain`, make none. */}}
{{- define "affiant.settings.telemetry" -}}
{{- $table := deepCopy (default dict .root.Values.settings.telemetry) -}}
{{- if ne .component "gateway" -}}
{{- $table = pick $table "logs" -}}
{{- end -}}
{{- if and (include "affiant.ca" .root) (hasPrefix "https://" (default "" $table.otlp_endpoint)) -}}
{{- $_ := set $table "ca_file" (default (include "affiant.ca" .root) $table.ca_file) -}}
{{- end -}}
{{- if $table -}}
{{- include "affiant.toml.table" (dict "name" "telemetry" "table" $table) -}}
{{- end -}}
{{- end -}}

{{/* (root, name): a table that is in `settings` alone. */}}
{{- define "affiant.settings.own" -}}
{{- include "affiant.toml.table" (dict "name" .name "table" (index .root.Values.settings .name)) -}}
{{- end -}}

{{- define "affiant.settings.plan" -}}
{{- range .Values.plan }}
[[plan]]
{{- range $key, $value := . }}
{{ $key }} = {{ include "affiant.toml.value" $value }}
{{- end }}
{{ end -}}
{{- end -}}

{{/* (root, component): the file without the plan, which a running gateway follows by itself. */}}
{{- define "affiant.settings" -}}
{{- $root := .root -}}
{{- $named := list "gateway" "sidecar" "notary" "monitor" "controller" "encryption" "telemetry" "journal" -}}
{{- $gateways := list "fluentd" -}}
{{- $tables := list (include "affiant.settings.data" $root) (include "affiant.settings.log" .) -}}
{{- if eq .component "gateway" -}}
{{- $tables = concat $tables (list (include "affiant.settings.gateway" $root) (include "affiant.settings.journal" $root)) -}}
{{- end -}}
{{- range $name, $table := $root.Values.settings -}}
{{- if and $table (not (has $name $named)) (or (eq $.component "gateway") (not (has $name $gateways))) -}}
{{- $tables = append $tables (include "affiant.settings.own" (dict "root" $root "name" $name)) -}}
{{- end -}}
{{- end -}}
{{- $tables = concat $tables (list (include "affiant.settings.telemetry" .) (include "affiant.settings.sidecar" $root)) -}}
{{- if $root.Values.notary.enabled -}}
{{- $tables = append $tables (include "affiant.settings.notary" .) -}}
{{- end -}}
{{- if has .component (list "monitor" "controller") -}}
{{- $tables = append $tables (include "affiant.settings.monitor" $root) -}}
{{- end -}}
{{- if eq .component "controller" -}}
{{- $tables = append $tables (include "affiant.settings.controller" $root) -}}
{{- end -}}
{{- if not (has .component (list "notary" "follow" "auditor")) -}}
{{- $tables = append $tables (include "affiant.settings.encryption" $root) -}}
{{- end -}}
{{- if ne .component "notary" -}}
{{- $tables = concat $tables (list (include "affiant.settings.store" $root) (include "affiant.settings.governance" $root)) -}}
{{- end -}}
{{- range compact $tables }}
{{ trim . }}
{{ end -}}
{{- end -}}

{{/* (root, component): what rolls pods when it changes. */}}
{{- define "affiant.checksum" -}}
{{- $public := list .root.Values.notary.publicKey .root.Values.governance.root .root.Values.monitor.policy -}}
{{- printf "%s %s" (include "affiant.settings" .) (toJson $public) | sha256sum -}}
{{- end -}}
