{{/*
Where clients are kept. An upgrade must never look for them elsewhere than the release before it did, so a store that no value
names is the one of what is running.
*/}}

{{- define "vpn.store" -}}
{{- $ltse := toString .Values.api.envVars.ltse -}}
{{- if .Values.store -}}{{ .Values.store }}
{{- else if eq $ltse "true" -}}ltse
{{- else if .Values.api.externalDatabase.enabled -}}mongodb
{{- else if eq $ltse "false" -}}mongodb
{{- else if eq (include "vpn.api.running" (dict "root" . "variable" "LTSE")) "true" -}}ltse
{{- else if lookup "apps/v1" "StatefulSet" .Release.Namespace (include "vpn.db.fullname" .) -}}mongodb
{{- else -}}sqlite
{{- end -}}
{{- end }}

{{/* "true" where the chart makes the database. */}}
{{- define "vpn.db.bundled" -}}
{{- and (eq (include "vpn.store" .) "mongodb") (not .Values.api.externalDatabase.enabled) -}}
{{- end }}

{{/* "true" where the host of the external database is a URI, which may hold a password. */}}
{{- define "vpn.db.hostIsUri" -}}
{{- contains "://" (toString .Values.api.externalDatabase.host) -}}
{{- end }}

{{/* "true" where more than one gateway may stand. */}}
{{- define "vpn.several" -}}
{{- $autoscaling := .Values.api.autoscaling -}}
{{- if $autoscaling.enabled -}}{{ lt 1 (int ($autoscaling.maxReplicas | default 3)) }}
{{- else -}}{{ lt 1 (int .Values.api.replicaCount) }}
{{- end -}}
{{- end }}

{{/* The claim of the bundled database: an existing StatefulSet's, which cannot be changed, else what the values say. */}}
{{- define "vpn.db.claim" -}}
{{- $persistence := .Values.db.persistence -}}
{{- $claim := dict "accessModes" $persistence.accessModes "resources" (dict "requests" (dict "storage" $persistence.size)) -}}
{{- with $persistence.storageClass }}{{ $_ := set $claim "storageClassName" . }}{{ end -}}
{{- $running := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "vpn.db.fullname" .) -}}
{{- range ($running.spec).volumeClaimTemplates }}
{{- if eq .metadata.name "data" }}{{ $claim = .spec }}{{ end -}}
{{- end -}}
{{- toYaml $claim -}}
{{- end }}
