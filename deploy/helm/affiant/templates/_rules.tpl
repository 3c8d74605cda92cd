{{/* Alert rules of this release alone: one Prometheus sees several, as a rule. */}}

{{/* The value of the label that tells this release's series and alerts from those of others. */}}
{{- define "affiant.installation" -}}
{{- default (printf "%s/%s" .Release.Namespace .Release.Name) .Values.prometheus.installation -}}
{{- end -}}

{{/* The same, in a PromQL selector. */}}
{{- define "affiant.ours" -}}
affiant_installation="{{ include "affiant.installation" . }}"
{{- end -}}

{{/* The rules' file. `affiant alerts render --chart` leaves the release open; it is filled in here. */}}
{{- define "affiant.rules" -}}
{{- default (.Files.Get "files/affiant-rules.yml") .Values.prometheus.rules.file | replace "@installation@" (include "affiant.installation" .) -}}
{{- end -}}

{{/* Whether some rule tells the controller to do something. */}}
{{- define "affiant.rules.act" -}}
{{- range (include "affiant.rules" . | fromYaml).groups -}}
{{- range .rules -}}
{{- if hasKey (default dict .labels) "affiant_action" }}yes{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What is wrong with the rules: a list as YAML. */}}
{{- define "affiant.rules.refused" -}}
{{- $rules := .Values.prometheus.rules -}}
{{- $wrong := list -}}
{{- $given := include "affiant.rules" . | fromYaml -}}
{{- $groups := list -}}
{{- if kindIs "slice" $given.groups }}{{ $groups = $given.groups }}{{ end -}}
{{- $good := gt (len $groups) 0 -}}
{{- $names := list "affiant-volumes" "affiant-follow" "affiant-audit" -}}
{{- $alien := list -}}
{{- range $groups -}}
{{- if not (and (kindIs "map" .) (kindIs "slice" (dig "rules" "" (ternary . dict (kindIs "map" .))))) -}}
{{- $good = false -}}
{{- else -}}
{{- $names = append $names .name -}}
{{- range .rules -}}
{{- if not (and (kindIs "map" .) .expr) -}}
{{- $good = false -}}
{{- else if and (regexMatch "affiant_|\"affiant" (toString .expr)) (not (contains (include "affiant.ours" $) (toString .expr))) -}}
{{- $alien = append $alien (default .record .alert) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $good -}}
{{- $wrong = append $wrong "prometheus.rules.file holds no rules: `groups` with `rules` are wanted. It is the content of a file of `affiant alerts render --chart`, and not its path (helm --set-file prometheus.rules.file=alerts/affiant-rules.yml)" -}}
{{- else -}}
{{- with $alien -}}
{{- $wrong = append $wrong (printf "prometheus.rules.file: %s would read every installation that Prometheus sees, or another one: it does not ask for {%s}. `affiant alerts render --chart` makes a file for the chart" (first .) (include "affiant.ours" $)) -}}
{{- end -}}
{{- range $rules.excludedGroups -}}
{{- if not (has . $names) -}}
{{- $wrong = append $wrong (printf "prometheus.rules.excludedGroups: no group is called %s; there are %s" . (join ", " (sortAlpha $names))) -}}
{{- end -}}
{{- end -}}
{{- if and $.Values.prometheus.alertmanagerConfig.enabled $.Values.controller.enabled (not (include "affiant.rules.act" $)) -}}
{{- $wrong = append $wrong "prometheus.alertmanagerConfig.enabled is true, and no rule has the label affiant_action: nothing would ever reach the controller. Give it the rules of a policy that lets it act (`affiant alerts render --chart`, and helm --set-file prometheus.rules.file=alerts/affiant-rules.yml)" -}}
{{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}
