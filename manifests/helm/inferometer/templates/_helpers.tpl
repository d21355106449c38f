{{/*
Names are fixed: one server only can own a metrics API, so a second release in the cluster has no use.
*/}}
{{- define "inferometer.labels" -}}
app.kubernetes.io/name: inferometer
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "inferometer.subject" -}}
subjects:
- kind: ServiceAccount
  name: inferometer
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* The Secret with a certificate that somebody else makes; empty in the mode `managed`. */}}
{{- define "inferometer.certificateSecret" -}}
{{- if eq .Values.tls.mode "certManager" }}inferometer-serving{{ else if eq .Values.tls.mode "secret" }}{{ .Values.tls.secretName }}{{ end }}
{{- end }}
