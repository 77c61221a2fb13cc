{{/*
Where a secret comes from, first to last: the value given; the Secret that an earlier revision made; the environment of the pods of
chart 1.1.0, which had it there in the open; a random one.
*/}}

{{- define "vpn.api.secretName" -}}
{{- .Values.api.existingSecret | default (include "vpn.api.fullname" .) -}}
{{- end }}

{{- define "vpn.db.secretName" -}}
{{- if eq (include "vpn.db.bundled" .) "true" -}}
{{- .Values.db.existingSecret | default (include "vpn.db.fullname" .) -}}
{{- else -}}
{{- .Values.api.externalDatabase.existingSecret | default (include "vpn.api.fullname" .) -}}
{{- end -}}
{{- end }}

{{/* What stands in the clear in a variable of the running gateway. Called with (dict "root" $ "variable" NAME). */}}
{{- define "vpn.api.running" -}}
{{- $name := include "vpn.api.fullname" .root -}}
{{- include "vpn.variable" (dict "workload" (lookup "apps/v1" "Deployment" .root.Release.Namespace $name) "variable" .variable) -}}
{{- end }}

{{- define "vpn.variable" -}}
{{- range (((.workload.spec).template).spec).containers -}}
{{- range .env -}}
{{- if eq .name $.variable }}{{ .value | default "" }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What a Secret holds; nothing when there is none. Called with (dict "root" $ "secret" NAME "key" KEY). */}}
{{- define "vpn.held" -}}
{{- $secret := lookup "v1" "Secret" .root.Release.Namespace .secret -}}
{{- index ($secret.data | default dict) .key | default "" | b64dec -}}
{{- end }}

{{/* The gateway's private key; nothing when it is still to be made. */}}
{{- define "vpn.privateKey" -}}
{{- .Values.api.envVars.wgPrivateKey
  | default (include "vpn.held" (dict "root" . "secret" (include "vpn.api.fullname" .) "key" "wg-private-key"))
  | default (include "vpn.api.running" (dict "root" . "variable" "WG_PRIVATE_KEY")) -}}
{{- end }}

{{- define "vpn.apiToken" -}}
{{- .Values.api.envVars.apiToken
  | default (include "vpn.held" (dict "root" . "secret" (include "vpn.api.fullname" .) "key" "api-token")) -}}
{{- end }}

{{/* The password of the bundled database: one that runs was made with its own, which goes before what the values say. */}}
{{- define "vpn.db.password" -}}
{{- $name := include "vpn.db.fullname" . -}}
{{- $database := lookup "apps/v1" "StatefulSet" .Release.Namespace $name -}}
{{- include "vpn.held" (dict "root" . "secret" $name "key" "mongodb-password")
  | default (include "vpn.variable" (dict "workload" $database "variable" "MONGO_INITDB_ROOT_PASSWORD"))
  | default .Values.db.envVars.password -}}
{{- end }}

{{/* The secrets that the values give, for the checksum of the pods: what is generated once never changes. */}}
{{- define "vpn.secretsGiven" -}}
{{- $api := .Values.api -}}
{{- list $api.envVars.wgPrivateKey $api.envVars.apiToken $api.envVars.ltseUrl $api.externalDatabase.host $api.externalDatabase.password
  (include "vpn.api.secretName" .) (include "vpn.db.secretName" .) | toJson -}}
{{- end }}
