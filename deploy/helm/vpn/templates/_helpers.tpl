{{/*
Names and labels. They are those of chart 1.1.0: selectors and claims cannot be changed by an upgrade.
Keys of values.yaml that 1.1.0 did not have are read as ((.Values.api).key), for --reuse-values brings its values instead of ours.
*/}}

{{- define "vpn.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name where it says what it is, else with the chart's. */}}
{{- define "vpn.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $full .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "vpn.api.fullname" -}}
{{- printf "%s-api" (include "vpn.fullname" .) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "vpn.db.fullname" -}}
{{- printf "%s-db" (include "vpn.fullname" .) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "vpn.db.headless" -}}
{{- printf "%s-headless" (include "vpn.db.fullname" .) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "vpn.api.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vpn.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
enabler: {{ .Chart.Name }}
app.kubernetes.io/component: api
isMainInterface: "yes"
tier: {{ .Values.api.tier }}
{{- end }}

{{- define "vpn.db.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vpn.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
enabler: {{ .Chart.Name }}
app.kubernetes.io/component: db
isMainInterface: "no"
tier: {{ .Values.db.tier }}
{{- end }}

{{- define "vpn.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "vpn.api.labels" -}}
{{ include "vpn.api.selectorLabels" . }}
{{ include "vpn.commonLabels" . }}
{{- end }}

{{- define "vpn.db.labels" -}}
{{ include "vpn.db.selectorLabels" . }}
{{ include "vpn.commonLabels" . }}
{{- end }}

{{/* What both components let the operator say about their pods. Called with (dict "root" $ "component" .Values.api). */}}
{{- define "vpn.placement" -}}
{{- with .component.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.enablerNodeSelector | default .component.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .component.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .component.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
