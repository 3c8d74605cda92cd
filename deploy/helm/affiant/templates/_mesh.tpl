{{/* What is other in Istio's mesh. Empty is no. */}}

{{/* Each pod asks for its proxy: STRICT guards no pod that has none, and a DestinationRule would keep callers from it. */}}
{{- define "affiant.mesh.labels" -}}
{{- if .Values.istio.enabled }}
sidecar.istio.io/inject: "true"
{{- with .Values.istio.revision }}
istio.io/rev: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The proxy as a native sidecar: there before what needs it and until the last is shipped or sealed; and a job ends. */}}
{{- define "affiant.mesh.annotations" -}}
{{- if .Values.istio.enabled -}}
sidecar.istio.io/nativeSidecar: "true"
{{- end -}}
{{- end -}}

{{/*
(root, job): whether the port with a job's metrics takes what does not come by the mesh's TLS, too. Never the gateway's: it
has predictions.

  - plaintextMetrics, for a Prometheus that is in no mesh;
  - several monitors: each asks the one that leads at its pod's address, and what goes to a pod, and to no service, the mesh
    lets through as it is;
  - a controller with a certificate of its own: Alertmanager comes by that, and the proxy passes it on as it is.
*/}}
{{- define "affiant.mesh.open" -}}
{{- $v := .root.Values -}}
{{- $several := or (gt (int $v.monitor.replicas) 1) (ne $v.monitor.autoscaling.kind "none") -}}
{{- if or (not $v.istio.enabled) (ne $v.istio.mtlsMode "STRICT") -}}yes
{{- else if eq .job "gateway" -}}
{{- else if $v.istio.plaintextMetrics -}}yes
{{- else if and (eq .job "monitor") $several -}}yes
{{- else if and (eq .job "controller") (include "affiant.controller.tls" .root) -}}yes
{{- end -}}
{{- end -}}

{{/*
Whether the gateway's metrics are asked of Istio's agent in its pod, which reads them on the loopback and serves them beside
the proxy's own, in the clear (Istio's metrics merging).
*/}}
{{- define "affiant.mesh.merged" -}}
{{- $istio := .Values.istio -}}
{{- if and $istio.enabled $istio.plaintextMetrics (not $istio.metricsCertificates) (not (include "affiant.mesh.open" (dict "root" . "job" "gateway"))) }}yes{{ end -}}
{{- end -}}

{{/* (root, job, tls): how Prometheus asks; tls: the process's own, in a mesh and out of it. */}}
{{- define "affiant.scrape" -}}
{{- $istio := .root.Values.istio -}}
{{- if include "affiant.mesh.open" . -}}
{{- if .tls -}}
scheme: https
tlsConfig:
  {{- include (printf "affiant.%s.tlsClient" .job) .root | nindent 2 }}
{{- end -}}
{{- else if $istio.metricsCertificates -}}
# Istio's certificates name a workload, and no host, by which Prometheus could check them.
scheme: https
tlsConfig:
  caFile: {{ $istio.metricsCertificates }}/root-cert.pem
  certFile: {{ $istio.metricsCertificates }}/cert-chain.pem
  keyFile: {{ $istio.metricsCertificates }}/key.pem
  insecureSkipVerify: true
{{- end -}}
{{- end -}}
