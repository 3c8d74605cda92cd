{{/* Questions that several templates ask of the values, answered once: empty is no. */}}

{{- define "affiant.governed" -}}
{{- if or .Values.governance.root .Values.governance.rootConfigMap }}yes{{ end -}}
{{- end -}}

{{/*
In a mesh the proxy speaks TLS, and hands the process what was in it: a process that wants TLS of its own would get HTTP in
the clear. So certManager makes the gateway none there; gateway.tls.secretName still does (and _refused.tpl says where not).
*/}}
{{- define "affiant.gateway.tls" -}}
{{- if or .Values.gateway.tls.secretName (and .Values.certManager.enabled (not .Values.istio.enabled)) }}yes{{ end -}}
{{- end -}}

{{- define "affiant.gateway.tlsSecret" -}}
{{- default (printf "%s-tls" (include "affiant.component" (dict "root" . "component" "gateway"))) .Values.gateway.tls.secretName -}}
{{- end -}}

{{- define "affiant.controller.tls" -}}
{{- if or .Values.controller.tls.secretName .Values.certManager.enabled }}yes{{ end -}}
{{- end -}}

{{- define "affiant.controller.tlsSecret" -}}
{{- default (printf "%s-tls" (include "affiant.component" (dict "root" . "component" "controller"))) .Values.controller.tls.secretName -}}
{{- end -}}

{{/* (root, component): by what clients know who serves: an authority (none: a public one), and a name in the certificate. */}}
{{- define "affiant.tlsClient" -}}
{{- $tls := (index .root.Values .component).tls -}}
serverName: {{ default (include "affiant.component" .) $tls.serverName }}
{{- with $tls.caKey }}
ca:
  secret:
    name: {{ include (printf "affiant.%s.tlsSecret" $.component) $.root }}
    key: {{ . }}
{{- end }}
{{- end -}}

{{- define "affiant.gateway.tlsClient" -}}
{{- include "affiant.tlsClient" (dict "root" . "component" "gateway") -}}
{{- end -}}

{{- define "affiant.controller.tlsClient" -}}
{{- include "affiant.tlsClient" (dict "root" . "component" "controller") -}}
{{- end -}}

{{/* Whether something is written back to an MLflow server: one that is named, or the one that has the packages. */}}
{{- define "affiant.follow.mlflow" -}}
{{- if or .Values.follow.mlflow.trackingUri (eq .Values.models.backend "mlflow") }}yes{{ end -}}
{{- end -}}

{{/* Whether the notary's key is elsewhere, and a command of somebody's signs with it. */}}
{{- define "affiant.notary.signer" -}}
{{- if (default dict .Values.settings.notary).signer_command }}yes{{ end -}}
{{- end -}}

{{- define "affiant.kafka.sasl" -}}
{{- if hasPrefix "SASL" .Values.kafka.securityProtocol }}yes{{ end -}}
{{- end -}}

{{/* Strimzi makes users, their Secrets and the cluster's authority under names of its own. */}}
{{- define "affiant.strimzi.users" -}}
{{- if and .Values.strimzi.enabled .Values.strimzi.users }}yes{{ end -}}
{{- end -}}

{{/* (root, component): {secretName, username, …} as YAML. The sidecar is the gateway's pod. */}}
{{- define "affiant.kafka.user" -}}
{{- $user := deepCopy (index .root.Values.kafka.users .component) -}}
{{- if and (include "affiant.strimzi.users" .root) (not $user.secretName) -}}
{{- $name := include "affiant.component" . -}}
{{- $_ := set $user "secretName" $name -}}
{{- $_ := set $user "username" $name -}}
{{- end -}}
{{- toYaml $user -}}
{{- end -}}

{{/* The Secret or ConfigMap with the brokers' authority, as a source of a projected volume. */}}
{{- define "affiant.kafka.ca" -}}
{{- $ca := .Values.kafka.ca -}}
{{- if ne .Values.kafka.securityProtocol "PLAINTEXT" -}}
{{- if $ca.configMapName -}}
- configMap:
    name: {{ $ca.configMapName }}
    items:
      - {key: {{ $ca.key }}, path: ca.crt}
{{- else if or $ca.secretName (include "affiant.strimzi.users" .) -}}
- secret:
    name: {{ default (printf "%s-cluster-ca-cert" .Values.strimzi.cluster) $ca.secretName }}
    items:
      - {key: {{ $ca.key }}, path: ca.crt}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* (root, component): sources of the projected volume /run/affiant/kafka. */}}
{{- define "affiant.kafka.files" -}}
{{- $user := include "affiant.kafka.user" . | fromYaml -}}
{{- $sources := list -}}
{{- with include "affiant.kafka.ca" .root }}{{ $sources = append $sources . }}{{ end -}}
{{- if include "affiant.kafka.sasl" .root -}}
{{- $sources = append $sources (printf "- secret:\n    name: %s\n    items:\n      - {key: %s, path: password}" $user.secretName $user.passwordKey) -}}
{{- else if and $user.secretName (eq .root.Values.kafka.securityProtocol "SSL") -}}
{{- $sources = append $sources (printf "- secret:\n    name: %s\n    items:\n      - {key: %s, path: user.crt}\n      - {key: %s, path: user.key}" $user.secretName $user.certificateKey $user.privateKeyKey) -}}
{{- end -}}
{{- join "\n" $sources -}}
{{- end -}}

{{/* Where the authorities are that the components believe; empty: those of the image. */}}
{{- define "affiant.ca" -}}
{{- if or .Values.caBundle.configMapName .Values.caBundle.secretName }}/etc/affiant/ca/ca.crt{{ end -}}
{{- end -}}

{{/* (root, component): settings and authorities: both below /etc/affiant, and so one volume. */}}
{{- define "affiant.config.files" -}}
{{- $ca := .root.Values.caBundle -}}
- name: config
{{- if include "affiant.ca" .root }}
  projected:
    sources:
      - configMap:
          name: {{ include "affiant.component" . }}
      - {{ ternary "configMap" "secret" (ne $ca.configMapName "") }}:
          name: {{ default $ca.secretName $ca.configMapName }}
          items:
            - {key: {{ $ca.key }}, path: ca/ca.crt}
{{- else }}
  configMap:
    name: {{ include "affiant.component" . }}
{{- end }}
{{- end -}}

{{/* Seconds that a gateway pod may take to end: pause, requests in work, journal, everything shipped. Rounded up. */}}
{{- define "affiant.gateway.grace" -}}
{{- $gateway := default dict .Values.settings.gateway -}}
{{- $sidecar := default dict .Values.settings.sidecar -}}
{{- $inWork := default 60 $gateway.grace_seconds | float64 -}}
{{- $drain := ternary $sidecar.drain_seconds 30 (hasKey $sidecar "drain_seconds") | float64 -}}
{{- $mirror := default dict .Values.settings.fluentd -}}
{{- $copy := ternary $mirror.drain_seconds 5 (hasKey $mirror "drain_seconds") | float64 -}}
{{- $delivery := default 30 $sidecar.delivery_timeout_seconds | float64 -}}
{{- ceil (addf .Values.gateway.preStopSeconds (mulf 2 $inWork) $drain $delivery $copy 60) | int64 -}}
{{- end -}}

{{/*
(root, component): private files, which are copied for the component (`affiant.keyContainer`): a list as YAML.
*/}}
{{- define "affiant.keys" -}}
{{- $v := .root.Values -}}
{{- $keys := list -}}
{{- if eq .component "gateway" -}}
{{- $keys = append $keys (merge (dict "path" "keys.json") $v.gateway.apiKeys) -}}
{{- else if eq .component "notary" -}}
{{- if not (include "affiant.notary.signer" .root) -}}
{{- $keys = append $keys (merge (dict "path" "notary.key") $v.notary.keySecret) -}}
{{- end -}}
{{- else if eq .component "controller" -}}
{{- $keys = append $keys (merge (dict "path" "controller.key") $v.controller.keySecret) -}}
{{- if $v.controller.tokenSecret.secretName -}}
{{- $keys = append $keys (merge (dict "path" "controller.token") $v.controller.tokenSecret) -}}
{{- end -}}
{{- end -}}
{{- /* Who writes payloads, and who counts them: the sidecar and the notary carry them as they are, the auditor verifies them so, `follow` reads none. */ -}}
{{- if and $v.encryption.keysSecret.secretName (not (has .component (list "notary" "follow" "auditor"))) -}}
{{- $keys = append $keys (merge (dict "path" "payload-keys.json") $v.encryption.keysSecret) -}}
{{- end -}}
{{- $keys = concat $keys (index $v .component).extraKeys -}}
{{- toYaml $keys -}}
{{- end -}}

{{/* Ways that the values use and networkPolicy leaves closed: {way: what, and what comes of it} as YAML. */}}
{{- define "affiant.closed" -}}
{{- $v := .Values -}}
{{- $settings := $v.settings -}}
{{- $used := dict
  "kafka" "Kafka is closed, nothing is shipped, and journals fill:"
  "objectStore" "the buckets is closed, and nothing is sealed:"
  "models" "the model store is closed, and gateways stay unready:" -}}
{{- if (default dict $settings.telemetry).otlp_endpoint }}{{ $_ := set $used "telemetry" "the collector is closed, and spans are lost:" }}{{ end -}}
{{- if (default dict $settings.fluentd).address }}{{ $_ := set $used "fluentd" "Fluentd is closed, and nothing is copied:" }}{{ end -}}
{{- if (default dict $settings.notary).witnesses }}{{ $_ := set $used "witnesses" "the witnesses is closed, and a quorum of them holds the notary:" }}{{ end -}}
{{- if (default dict $settings.encryption).keys_command }}{{ $_ := set $used "keys" "the key service is closed, and payloads cannot be encrypted:" }}{{ end -}}
{{- if include "affiant.notary.signer" . }}{{ $_ := set $used "keys" "the key service is closed, and nothing is sealed:" }}{{ end -}}
{{- if (default dict $settings.controller).retrain_webhook }}{{ $_ := set $used "webhooks" "the webhook of retraining is closed:" }}{{ end -}}
{{- if and $v.follow.enabled $v.follow.mlflow.trackingUri }}{{ $_ := set $used "mlflow" "MLflow is closed, and nothing is written back to it:" }}{{ end -}}
{{- range $component := list "gateway" "notary" "monitor" "controller" "auditor" -}}
{{- if hasKey (default dict (index $v $component).serviceAccount.annotations) "eks.amazonaws.com/role-arn" }}{{ $_ := set $used "identity" "AWS STS, of which roles are got, is closed, and so are the buckets:" }}{{ end -}}
{{- end -}}
{{- range $way := keys $used -}}
{{- if (index $v.networkPolicy $way).to }}{{ $_ := unset $used $way }}{{ end -}}
{{- end -}}
{{- if $v.networkPolicy.enabled }}{{ toYaml $used }}{{ end -}}
{{- end -}}
