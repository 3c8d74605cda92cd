{{/* Labels and annotations of the values that the chart writes, too: YAML would have the key twice. A list as YAML. */}}
{{- define "affiant.labels.refused" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- $ours := "^(app\\.kubernetes\\.io/(name|instance|component|version|managed-by|part-of)|helm\\.sh/chart|affiant\\.dev/.*)$" -}}
{{- if $v.istio.enabled -}}
{{- $ours = printf "%s|^(sidecar\\.istio\\.io/(inject|nativeSidecar)|istio\\.io/rev)$" $ours -}}
{{- end -}}
{{- $given := dict "prometheus.serviceMonitors.labels" $v.prometheus.serviceMonitors.labels "prometheus.rules.labels" $v.prometheus.rules.labels "prometheus.alertmanagerConfig.labels" $v.prometheus.alertmanagerConfig.labels "grafana.dashboards.labels" $v.grafana.dashboards.labels -}}
{{- range $component := list "gateway" "notary" "monitor" "controller" "follow" "auditor" -}}
{{- $_ := set $given (printf "%s.podLabels" $component) (index $v $component).podLabels -}}
{{- end -}}
{{- range $where, $labels := $given -}}
{{- range $label := keys (default dict $labels) | sortAlpha -}}
{{- if hasKey (default dict $v.commonLabels) $label -}}
{{- $wrong = append $wrong (printf "%s and commonLabels both have %s: set it in one of them" $where $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $component := list "gateway" "notary" "monitor" "controller" "follow" "auditor" -}}
{{- $_ := set $given (printf "%s.podAnnotations" $component) (index $v $component).podAnnotations -}}
{{- end -}}
{{- range $where, $labels := set $given "commonLabels" $v.commonLabels -}}
{{- range $label := keys (default dict $labels) | sortAlpha -}}
{{- if regexMatch $ours $label -}}
{{- $wrong = append $wrong (printf "%s has %s, which the chart sets itself: take it out" $where $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}
