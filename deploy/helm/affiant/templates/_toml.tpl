{{/* TOML, as far as affiant.toml needs it. Helm reads every number as a float: whole ones are written as integers. */}}

{{- define "affiant.toml.value" -}}
{{- if kindIs "string" . -}}
{{ toJson . }}
{{- else if kindIs "slice" . -}}
{{- $parts := list -}}
{{- range . }}{{ $parts = append $parts (include "affiant.toml.value" .) }}{{ end -}}
[{{ join ", " $parts }}]
{{- else if kindIs "map" . -}}
{{- $parts := list -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $parts = append $parts (printf "%s = %s" $key (include "affiant.toml.value" $value)) -}}
{{- end -}}
{{- end -}}
{ {{- join ", " $parts -}} }
{{- else if kindIs "bool" . -}}
{{ . }}
{{- else if eq (float64 (int64 .)) (float64 .) -}}
{{ int64 . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end -}}

{{/* (name, table): a table with its heading; what is null is left out. */}}
{{- define "affiant.toml.table" -}}
[{{ .name }}]
{{- range $key, $value := .table }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ include "affiant.toml.value" $value }}
{{- end }}
{{- end }}
{{ end -}}
