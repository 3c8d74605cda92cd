{{/* Names and labels. A component is gateway, sidecar, notary, monitor, controller, follow, auditor, drain or test. */}}

{{- define "affiant.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters, so that every name that is made of it is as short as its kind wants it (test_helm_names.py). */}}
{{- define "affiant.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "affiant.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "affiant.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* (root, component) */}}
{{- define "affiant.component" -}}
{{- printf "%s-%s" (include "affiant.fullname" .root) .component -}}
{{- end -}}

{{/* (root, job): a CronJob's name has 52 characters at most, as its jobs' names are longer. */}}
{{- define "affiant.followJob" -}}
{{- printf "%s-%s" (include "affiant.fullname" .root) .job -}}
{{- end -}}

{{/* (root, component): what never changes over a release's life. */}}
{{- define "affiant.selector" -}}
app.kubernetes.io/name: {{ include "affiant.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* (root, component) */}}
{{- define "affiant.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: affiant
{{ include "affiant.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (root, component): of a pod: nothing that changes with the chart's version alone, and so restarts it. */}}
{{- define "affiant.podLabels" -}}
{{ include "affiant.selector" . }}
app.kubernetes.io/part-of: affiant
{{- include "affiant.mesh.labels" .root }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (root, component): repository@digest where a digest is given, else repository:tag. What follows has the controller's. */}}
{{- define "affiant.image" -}}
{{- $component := ternary "controller" .component (eq .component "follow") -}}
{{- $image := index .root.Values.images $component -}}
{{- $repository := $image.repository -}}
{{- with .root.Values.images.registry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) $repository -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else if .root.Values.images.requireDigest -}}
{{- fail (printf "images.%s.digest is not set, and images.requireDigest is true: say which image, by its digest" $component) -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* (root, component): the component's own service account. */}}
{{- define "affiant.serviceAccount" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- default (include "affiant.component" .) $account.name -}}
{{- end -}}
