{{/* What every pod and container has: the restricted pod security standard, and where files are. */}}

{{- define "affiant.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.security.runAsUser }}
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
{{- end }}
# Always would make a journal's key readable by the group at each mount, and the journal refuses such a key.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "affiant.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* (root, component, pod): scheduling and the like, of the component's values. */}}
{{- define "affiant.podCommon" -}}
{{- $pod := .pod -}}
serviceAccountName: {{ include "affiant.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "affiant.podSecurity" .root | nindent 2 }}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* (root, component, spread) */}}
{{- define "affiant.spread" -}}
{{- $selector := include "affiant.selector" . -}}
topologySpreadConstraints:
{{- range $key, $when := dict "topology.kubernetes.io/zone" .spread.zone "kubernetes.io/hostname" .spread.host }}
{{- if ne $when "none" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $when }}
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
    matchLabelKeys: [{{ $.revision }}]
{{- end }}
{{- end }}
{{- end -}}

{{/* (path, port, scheme, and the numbers) */}}
{{- define "affiant.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .port }}
  {{- with .scheme }}
  scheme: {{ . }}
  {{- end }}
periodSeconds: {{ .period }}
timeoutSeconds: {{ default 5 .timeout }}
failureThreshold: {{ .failures }}
{{- end -}}

{{/* (component): its image, and how it is pulled. */}}
{{- define "affiant.imageOf" -}}
image: {{ include "affiant.image" . }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
{{- end -}}

{{/* Where the settings file is; a home and a place for temporary files that can be written to. */}}
{{- define "affiant.environment" -}}
- name: AFFIANT_CONFIG
  value: /etc/affiant/affiant.toml
- name: HOME
  value: /tmp
{{- /* For ways without a setting, such as S3 and witnesses (docs/tls.md). */ -}}
{{- with include "affiant.ca" . }}
- name: SSL_CERT_FILE
  value: {{ . }}
{{- end }}
{{- end -}}

{{/* Access to the buckets: keys by reference, or a workload identity by the service account's annotations. */}}
{{- define "affiant.bucketEnvironment" -}}
{{- with .Values.objectStore.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.objectStore.credentials }}
{{- if .secretName }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ .secretName }}, key: {{ .accessKeyIdKey }}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ .secretName }}, key: {{ .secretAccessKeyKey }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Access to the model store. */}}
{{- define "affiant.modelEnvironment" -}}
{{- include "affiant.storeEnvironment" (dict "root" . "docker" .Values.models.dockerConfigSecret "credentials" .Values.models.credentials) -}}
{{- end -}}

{{/* (root, docker, credentials): access to the model store as somebody. */}}
{{- define "affiant.storeEnvironment" -}}
{{- with .docker }}
- name: DOCKER_CONFIG
  value: /run/affiant/docker
{{- end }}
{{- if .credentials.secretName }}
{{- $secret := .credentials.secretName }}
{{- $prefix := ternary "AFFIANT_STORE" "MLFLOW_TRACKING" (eq .root.Values.models.backend "oci") }}
- name: {{ $prefix }}_USERNAME
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ .credentials.usernameKey }}}
- name: {{ $prefix }}_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ .credentials.passwordKey }}}
{{- end }}
{{- end -}}

{{/* (root, component): settings, the way to Kafka, and what can be written to. */}}
{{- define "affiant.volumes" -}}
{{ include "affiant.config.files" . }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .root.Values.security.tmpSize }}
{{- if include "affiant.kafka.files" . }}
- name: kafka
  projected:
    defaultMode: 0440
    sources:
      {{- include "affiant.kafka.files" . | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "affiant.mounts" -}}
- name: config
  mountPath: /etc/affiant
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end -}}

{{- define "affiant.kafkaMounts" -}}
{{- if include "affiant.kafka.files" . }}
- name: kafka
  mountPath: /run/affiant/kafka
  readOnly: true
{{- end }}
{{- end -}}

{{- define "affiant.modelVolumes" -}}
{{- include "affiant.dockerVolume" .Values.models.dockerConfigSecret -}}
{{- end -}}

{{/* A Secret's name, or nothing. */}}
{{- define "affiant.dockerVolume" -}}
{{- with . }}
- name: docker
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - {key: .dockerconfigjson, path: config.json}
{{- end }}
{{- end -}}

{{- define "affiant.modelMounts" -}}
{{- include "affiant.dockerMount" .Values.models.dockerConfigSecret -}}
{{- end -}}

{{- define "affiant.dockerMount" -}}
{{- if . }}
- name: docker
  mountPath: /run/affiant/docker
  readOnly: true
{{- end }}
{{- end -}}

{{/*
Private files. A Secret's volume gives each file to root and its group the right to read (fsGroup); keys that their group
can read are refused by whoever reads them. So they are copied into memory, as files of the container's own user: before a
component starts, and again when the Secret is another, which gateway, monitor and controller read again by themselves. Not
the keys that notary and controller sign with: those are read when they start.
(root, component)
*/}}
{{- define "affiant.keyVolumes" -}}
{{- with include "affiant.keys" . | fromYamlArray }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret:
          name: {{ .secretName }}
          items:
            - {key: {{ .key }}, path: {{ .path }}}
      {{- end }}
- name: keys
  emptyDir:
    medium: Memory
    sizeLimit: 4Mi
{{- end }}
{{- end -}}

{{- define "affiant.keyContainer" -}}
{{- if include "affiant.keys" . | fromYamlArray }}
- name: keys
  {{- include "affiant.imageOf" . | nindent 2 }}
  command: [sh, -ec, "install -m 0600 -- /run/affiant/secrets/* /run/affiant/keys/"]
  securityContext:
    {{- include "affiant.containerSecurity" . | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {cpu: 100m, memory: 32Mi}
  volumeMounts:
    - name: secrets
      mountPath: /run/affiant/secrets
      readOnly: true
    - name: keys
      mountPath: /run/affiant/keys
{{- end }}
{{- end -}}

{{/*
A kubelet puts a changed Secret there in one step, by the link ..data; whole files take the place of those before. Not a
gateway's payload keys: a new one must be with those who read before anybody writes with it, and pods hear at different times.
*/}}
{{- define "affiant.keyFollower" -}}
{{- $files := list -}}
{{- range include "affiant.keys" . | fromYamlArray }}
{{- if not (and (eq $.component "gateway") (eq .path "payload-keys.json")) }}{{ $files = append $files .path }}{{ end -}}
{{- end }}
{{- with join " " $files }}
{{- $scope := dict "root" $.root "component" $.component }}
- name: key-follower
  {{- include "affiant.imageOf" $scope | nindent 2 }}
  restartPolicy: Always
  command:
    - sh
    - -ec
    - |
      trap 'exit 0' TERM
      cd /run/affiant/secrets
      seen=
      while :; do
        now=$(readlink ..data)
        if [ "$now" != "$seen" ]; then
          rm -rf /run/affiant/keys/.new
          mkdir -m 0700 /run/affiant/keys/.new
          install -m 0600 -- {{ . }} /run/affiant/keys/.new/
          mv -f -- /run/affiant/keys/.new/* /run/affiant/keys/
          seen=$now
        fi
        sleep 10 & wait $!
      done
  # Copies that stay others than the Secret's files: it is begun anew.
  livenessProbe:
    exec:
      command: [sh, -c, 'for of in {{ . }}; do cmp -s "/run/affiant/secrets/$of" "/run/affiant/keys/$of" || exit 1; done']
    periodSeconds: 20
    timeoutSeconds: 5
    failureThreshold: 3
  securityContext:
    {{- include "affiant.containerSecurity" $.root | nindent 4 }}
  resources:
    requests: {cpu: 5m, memory: 16Mi}
    limits: {cpu: 50m, memory: 32Mi}
  volumeMounts:
    - name: secrets
      mountPath: /run/affiant/secrets
      readOnly: true
    - name: keys
      mountPath: /run/affiant/keys
{{- end }}
{{- end -}}

{{- define "affiant.keyMounts" -}}
{{- if include "affiant.keys" . | fromYamlArray }}
- name: keys
  mountPath: /run/affiant/keys
  readOnly: true
{{- end }}
{{- end -}}

{{/*
Keys by which journals are signed: on the gateway's volume, and in no mount of the sidecar, which carries what they sign.
Before the sidecar is there, and once: keys beside their journals, as they lay before [journal] key_directory, are moved. A key
that appears there later is nobody's.
*/}}
{{- define "affiant.journalKeysContainer" -}}
- name: journal-keys
  {{- include "affiant.imageOf" . | nindent 2 }}
  command:
    - sh
    - -ec
    - |
      umask 077
      cd /var/lib/affiant
      mkdir -p data/journals
      if [ ! -d journal-keys ]; then
        mkdir -p journal-keys.new
        for key in data/journals/*/key; do
          if [ -f "$key" ]; then
            of=${key#data/journals/}
            mv -- "$key" "journal-keys.new/${of%/key}"
          fi
        done
        mv journal-keys.new journal-keys
      fi
  securityContext:
    {{- include "affiant.containerSecurity" .root | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {cpu: 100m, memory: 32Mi}
  volumeMounts:
    - {name: data, mountPath: /var/lib/affiant}
{{- end -}}

{{/*
The sidecar's: no keys, and what it ships it only reads. Each is a mount of its own, so that it can put nothing in its place:
a journal that was exchanged would be signed on after a restart.
*/}}
{{- define "affiant.carrierMounts" -}}
- {name: data, mountPath: /var/lib/affiant/data, subPath: data}
- {name: data, mountPath: /var/lib/affiant/data/journals, subPath: data/journals, readOnly: true}
{{- end -}}

{{- define "affiant.rootVolumes" -}}
{{- if include "affiant.governed" . }}
- name: root
  configMap:
    name: {{ default (printf "%s-root" (include "affiant.fullname" .)) .Values.governance.rootConfigMap }}
    items:
      - {key: {{ ternary .Values.governance.rootKey "root.json" (ne .Values.governance.rootConfigMap "") }}, path: root.json}
{{- end }}
{{- end -}}

{{- define "affiant.rootMounts" -}}
{{- if include "affiant.governed" . }}
- name: root
  mountPath: /run/affiant/governance
  readOnly: true
{{- end }}
{{- end -}}

{{/* Of a process that has /livez and /readyz beside its metrics. */}}
{{- define "affiant.workerProbes" -}}
startupProbe:
  {{- include "affiant.probe" (dict "path" "/livez" "port" "metrics" "scheme" .probeScheme "period" 5 "failures" 60) | nindent 2 }}
livenessProbe:
  {{- include "affiant.probe" (dict "path" "/livez" "port" "metrics" "scheme" .probeScheme "period" 10 "failures" 6) | nindent 2 }}
readinessProbe:
  {{- include "affiant.probe" (dict "path" "/readyz" "port" "metrics" "scheme" .probeScheme "period" 10 "failures" 3) | nindent 2 }}
{{- end -}}

{{/* (root, component, port): metrics, also of pods that are not ready. */}}
{{- define "affiant.metricsService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "affiant.component" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "affiant.labels" . | nindent 4 }}
    affiant.dev/metrics: {{ .component }}
spec:
  type: ClusterIP
  publishNotReadyAddresses: true
  selector:
    {{- include "affiant.selector" . | nindent 4 }}
  ports:
    - {name: metrics, port: {{ .port }}, targetPort: metrics, protocol: TCP}
{{- end -}}
