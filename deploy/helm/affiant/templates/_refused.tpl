{{/*
Values that would lose records, or that cannot work, and are not to be told by a schema. Each is one sentence that says
what to set; all that are wrong are told at once.
*/}}
{{- define "affiant.refused" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- if and (not $v.gateway.persistence.enabled) (not $v.gateway.persistence.acceptLoss) -}}
{{- $wrong = append $wrong "gateway.persistence.enabled is false: an emptyDir dies with its pod, and records that are not shipped yet die with it. Enable it, or say gateway.persistence.acceptLoss=true" -}}
{{- end -}}
{{- if not $v.kafka.bootstrap -}}
{{- $wrong = append $wrong "kafka.bootstrap is not set: where is the log? (host:port, separated by commas)" -}}
{{- end -}}
{{- if not $v.gateway.apiKeys.secretName -}}
{{- $wrong = append $wrong "gateway.apiKeys.secretName is not set: a gateway that others than its own machine reach needs API keys (`affiant gateway keys add NAME` makes the file)" -}}
{{- end -}}
{{- if not $v.objectStore.payloads -}}
{{- $wrong = append $wrong "objectStore.payloads is not set: payloads of over settings.journal.external_bytes go to a bucket (s3://…)" -}}
{{- end -}}
{{- if and (eq $v.models.backend "oci") (not $v.models.reference) -}}
{{- $wrong = append $wrong "models.reference is not set: which OCI repository has the packages?" -}}
{{- end -}}
{{- if and (eq $v.models.backend "mlflow") (not $v.models.trackingUri) -}}
{{- $wrong = append $wrong "models.trackingUri is not set: which MLflow server has the packages?" -}}
{{- end -}}
{{- $freeAfter := default "sealed" (default dict $v.settings.journal).free_after -}}
{{- if $v.notary.enabled -}}
{{- if not $v.notary.name -}}
{{- $wrong = append $wrong "notary.name is not set: whose log is it? (a host name that you own; it never changes)" -}}
{{- end -}}
{{- if include "affiant.notary.signer" . -}}
{{- if $v.notary.keySecret.secretName -}}
{{- $wrong = append $wrong "notary.keySecret.secretName and settings.notary.signer_command both say with what the notary signs: set one of them" -}}
{{- end -}}
{{- else if not $v.notary.keySecret.secretName -}}
{{- $wrong = append $wrong "notary.keySecret.secretName is not set: the notary signs with a key (`affiant notary keygen`), or by settings.notary.signer_command" -}}
{{- end -}}
{{- if not $v.notary.publicKey -}}
{{- $wrong = append $wrong "notary.publicKey is not set: sidecars and gateways believe this vkey alone (`affiant notary vkey`)" -}}
{{- end -}}
{{- if not $v.objectStore.sealed -}}
{{- $wrong = append $wrong "objectStore.sealed is not set: trees and archive are kept in a bucket that sidecars read, too (s3://…)" -}}
{{- end -}}
{{- else if eq $freeAfter "sealed" -}}
{{- $wrong = append $wrong "notary.enabled is false, and settings.journal.free_after is sealed: journals would fill for ever. Run a notary, or set free_after: acknowledged" -}}
{{- end -}}
{{- if and $v.governance.checkpoint (not (and $v.notary.enabled (include "affiant.governed" .))) -}}
{{- $wrong = append $wrong "governance.checkpoint is true: that needs the notary and governance.root" -}}
{{- end -}}
{{- if and $v.governance.root $v.governance.rootConfigMap -}}
{{- $wrong = append $wrong "governance.root and governance.rootConfigMap name the same thing: set one of them" -}}
{{- end -}}
{{- if $v.controller.enabled -}}
{{- if not (include "affiant.governed" .) -}}
{{- $wrong = append $wrong "controller.enabled is true: that needs governance.root, which says whose rollbacks count" -}}
{{- end -}}
{{- if not $v.monitor.enabled -}}
{{- $wrong = append $wrong "controller.enabled is true: that needs monitor.enabled, of which it asks evidence" -}}
{{- end -}}
{{- if not $v.controller.keySecret.secretName -}}
{{- $wrong = append $wrong "controller.keySecret.secretName is not set: rollbacks are signed (`affiant roles keygen`)" -}}
{{- end -}}
{{- if and (not $v.controller.tokenSecret.secretName) (not (and $v.controller.tls.clientCertificates (include "affiant.controller.tls" .))) -}}
{{- $wrong = append $wrong "controller.tokenSecret.secretName is not set: alerts are heard of who has the token (`affiant controller token`), or a certificate (controller.tls)" -}}
{{- end -}}
{{- end -}}
{{- if $v.follow.enabled -}}
{{- if not (include "affiant.governed" .) -}}
{{- $wrong = append $wrong "follow.enabled is true: that needs governance.root: without it nothing that is signed counts, and there is nothing to follow" -}}
{{- end -}}
{{- if and $v.follow.mlflow.trackingUri (eq $v.models.backend "mlflow") -}}
{{- $wrong = append $wrong "follow.mlflow.trackingUri is set, and models.backend is mlflow: tags go to the server that has the packages. Unset it" -}}
{{- end -}}
{{- if not (or $v.follow.cards (include "affiant.follow.mlflow" .)) -}}
{{- $wrong = append $wrong "follow.enabled is true, and nothing is to follow: set follow.cards, or follow.mlflow.trackingUri" -}}
{{- end -}}
{{- end -}}
{{- if and $v.auditor.enabled (not $v.notary.enabled) -}}
{{- $wrong = append $wrong "auditor.enabled is true: that needs notary.enabled: what is not sealed cannot be verified" -}}
{{- end -}}
{{- if include "affiant.kafka.sasl" . -}}
{{- range $component := list "gateway" "notary" "monitor" "controller" "follow" "auditor" -}}
{{- $on := or (eq $component "gateway") (index $v $component).enabled -}}
{{- $user := include "affiant.kafka.user" (dict "root" $ "component" $component) | fromYaml -}}
{{- if and $on (not (and $user.secretName $user.username)) -}}
{{- $wrong = append $wrong (printf "kafka.users.%s: securityProtocol %s needs secretName and username" $component $v.kafka.securityProtocol) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.strimzi.enabled (not $v.strimzi.cluster) -}}
{{- $wrong = append $wrong "strimzi.cluster is not set: of which Kafka are topics and users?" -}}
{{- end -}}
{{- if and (include "affiant.strimzi.users" .) (eq $v.kafka.securityProtocol "PLAINTEXT") -}}
{{- $wrong = append $wrong "strimzi.users is true, and kafka.securityProtocol is PLAINTEXT: users are told apart by certificates (SSL) or passwords (SASL_SSL)" -}}
{{- end -}}
{{- $elsewhere := and (include "affiant.strimzi.users" .) $v.strimzi.namespace (ne $v.strimzi.namespace .Release.Namespace) -}}
{{- range $component := list "gateway" "notary" "monitor" "controller" "follow" "auditor" -}}
{{- if and $elsewhere (or (eq $component "gateway") (index $v $component).enabled) (not (index $v.kafka.users $component).secretName) -}}
{{- $wrong = append $wrong (printf "kafka.users.%s.secretName is not set: Strimzi makes users' Secrets in %s, where pods of %s cannot read them; name a copy" $component $v.strimzi.namespace $.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- if and $elsewhere (not $v.kafka.ca.secretName) (not $v.kafka.ca.configMapName) -}}
{{- $wrong = append $wrong (printf "kafka.ca is not set: the brokers' authority is a Secret in %s; name a copy" $v.strimzi.namespace) -}}
{{- end -}}
{{- if and $v.prometheus.alertmanagerConfig.enabled (not $v.controller.enabled) -}}
{{- $wrong = append $wrong "prometheus.alertmanagerConfig.enabled is true: that needs controller.enabled, to which alerts go" -}}
{{- end -}}
{{- if and $v.prometheus.alertmanagerConfig.enabled $v.controller.tls.clientCertificates (not $v.certManager.enabled) -}}
{{- $wrong = append $wrong "prometheus.alertmanagerConfig.enabled with controller.tls.clientCertificates needs certManager.enabled, which makes Alertmanager's certificate" -}}
{{- end -}}
{{- if and $v.istio.enabled $v.gateway.tls.secretName -}}
{{- if eq $v.istio.mtlsMode "STRICT" -}}
{{- $wrong = append $wrong "gateway.tls.secretName is set, and istio.mtlsMode is STRICT: the mesh speaks TLS for the gateway, and with TLS of its own nobody outside of the mesh reaches it anyway. Unset it, or set istio.mtlsMode=PERMISSIVE" -}}
{{- end -}}
{{- if $v.istio.virtualService.enabled -}}
{{- $wrong = append $wrong "istio.virtualService.enabled with gateway.tls.secretName: what is encrypted by the gateway itself is no HTTP to Istio, and its routes and weights would not be followed. Unset gateway.tls.secretName" -}}
{{- end -}}
{{- end -}}
{{- if and $v.istio.enabled (eq $v.istio.mtlsMode "STRICT") $v.prometheus.serviceMonitors.enabled (not $v.istio.metricsCertificates) (not $v.istio.plaintextMetrics) -}}
{{- $wrong = append $wrong "prometheus.serviceMonitors.enabled, and istio.mtlsMode is STRICT: Prometheus asks pods by their addresses, without the mesh's TLS, and would be refused. Give it Istio's certificates and say where they are (istio.metricsCertificates), or set istio.plaintextMetrics=true" -}}
{{- end -}}
{{- if and $v.gateway.tls.clientCertificates (not (include "affiant.gateway.tls" .)) -}}
{{- $wrong = append $wrong "gateway.tls.clientCertificates is true, and the gateway speaks no TLS: set gateway.tls.secretName, or certManager.enabled; in a mesh Istio asks callers for certificates" -}}
{{- end -}}
{{- if and $v.gateway.tls.clientCertificates (not $v.gateway.tls.caKey) -}}
{{- $wrong = append $wrong "gateway.tls.clientCertificates is true, and gateway.tls.caKey is empty: of which authority are the certificates?" -}}
{{- end -}}
{{- if and $v.controller.tls.clientCertificates (not $v.controller.tls.caKey) -}}
{{- $wrong = append $wrong "controller.tls.clientCertificates is true, and controller.tls.caKey is empty: of which authority are the certificates?" -}}
{{- end -}}
{{- if and $v.caBundle.configMapName $v.caBundle.secretName -}}
{{- $wrong = append $wrong "caBundle.configMapName and caBundle.secretName name the same thing: set one of them" -}}
{{- end -}}
{{- if ge (int64 $v.kafka.retentionMs) 0 -}}
{{- if not $v.kafka.archived -}}
{{- $wrong = append $wrong "kafka.retentionMs is set, and kafka.archived is false: what the topic drops would be lost. Keep an archive (a notary does), and say kafka.archived=true" -}}
{{- end -}}
{{- if not $v.notary.enabled -}}
{{- $wrong = append $wrong "kafka.retentionMs is set, and notary.enabled is false: nobody archives what the topic drops" -}}
{{- end -}}
{{- if lt (int64 $v.kafka.retentionMs) 86400000 -}}
{{- $wrong = append $wrong (printf "kafka.retentionMs %d is less than a day (86400000): a notary, a monitor or an auditor that is away for longer would find holes" (int64 $v.kafka.retentionMs)) -}}
{{- end -}}
{{- end -}}
{{- if and $v.certManager.enabled (not $v.certManager.issuer.name) -}}
{{- $wrong = append $wrong "certManager.issuer.name is not set: who signs?" -}}
{{- end -}}
{{- range $component := list "gateway" "monitor" -}}
{{- $scaling := (index $v $component).autoscaling -}}
{{- if and (eq $scaling.kind "keda") (not $v.prometheus.address) -}}
{{- $wrong = append $wrong (printf "%s.autoscaling.kind is keda: that needs prometheus.address, of which KEDA asks requests and lag" $component) -}}
{{- end -}}
{{- if lt (int $scaling.maxReplicas) (int $scaling.minReplicas) -}}
{{- $wrong = append $wrong (printf "%s.autoscaling.maxReplicas is less than minReplicas" $component) -}}
{{- end -}}
{{- end -}}
{{- if and $v.monitor.enabled (eq $v.monitor.autoscaling.kind "keda") (gt (int $v.monitor.autoscaling.minReplicas) (int $v.kafka.partitions)) -}}
{{- $wrong = append $wrong (printf "monitor.autoscaling.minReplicas %d is more than kafka.partitions %d: a partition is counted by one monitor, and the others would wait" (int $v.monitor.autoscaling.minReplicas) (int $v.kafka.partitions)) -}}
{{- end -}}
{{- range $component := list "gateway" "notary" "monitor" "controller" "follow" "auditor" -}}
{{- $paths := list -}}
{{- range include "affiant.keys" (dict "root" $ "component" $component) | fromYamlArray -}}
{{- if has .path $paths -}}
{{- $wrong = append $wrong (printf "%s.extraKeys: %s is there already: each file in /run/affiant/keys has its own path" $component .path) -}}
{{- end -}}
{{- $paths = append $paths .path -}}
{{- end -}}
{{- end -}}
{{- $wrong = concat $wrong (include "affiant.labels.refused" . | fromYamlArray) -}}
{{- if $v.prometheus.rules.enabled -}}
{{- $wrong = concat $wrong (include "affiant.rules.refused" . | fromYamlArray) -}}
{{- end -}}
{{- $journal := default dict $v.settings.journal -}}
{{- $bytes := mulf (default 4294967296 $journal.max_bytes) (default 1 (default dict $v.settings.gateway).workers) -}}
{{- $room := include "affiant.bytes" $v.gateway.persistence.size | float64 -}}
{{- if and $v.gateway.persistence.enabled (lt $room (mulf $bytes 1.05)) -}}
{{- $wrong = append $wrong (printf "gateway.persistence.size %s is too small: the journals of %d worker(s) may take %d bytes (settings.journal.max_bytes), and 5 %% more is wanted. Volumes that are there are grown first: docs/kubernetes.md, How a gateway pod ends" $v.gateway.persistence.size (int64 (default 1 (default dict $v.settings.gateway).workers)) (int64 $bytes)) -}}
{{- end -}}
{{- $live := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "affiant.component" (dict "root" . "component" "gateway")) -}}
{{- range dig "spec" "volumeClaimTemplates" list $live -}}
{{- $has := .spec.resources.requests.storage -}}
{{- if and $v.gateway.persistence.enabled (ne (include "affiant.bytes" $has | float64) $room) -}}
{{- $wrong = append $wrong (printf "gateway.persistence.size is %s, and the StatefulSet that is there makes claims of %s, which an upgrade cannot change: volumes are grown first (docs/kubernetes.md, How a gateway pod ends)" $v.gateway.persistence.size $has) -}}
{{- end -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n  - %s\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end -}}

{{/* A quantity in bytes; the schema lets whole numbers of Mi, Gi and Ti through, and a cluster writes them as short as it can. */}}
{{- define "affiant.bytes" -}}
{{- $unit := regexFind "[A-Za-z]+$" . -}}
{{- $number := regexFind "^[0-9]+" . | float64 -}}
{{- mulf $number (get (dict "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0) $unit) -}}
{{- end -}}
