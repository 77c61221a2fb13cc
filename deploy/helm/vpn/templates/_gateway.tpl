{{/*
How the gateway is told of its surroundings.
*/}}

{{/*
The port on the nodes that clients call. They must be told it by a program that cannot ask Kubernetes, so it is known before the
Service is made: the value, the port that the Service has, or one made of namespace and name.
*/}}
{{- define "vpn.wireguardNodePort" -}}
{{- $service := lookup "v1" "Service" .Release.Namespace (include "vpn.api.fullname" .) -}}
{{- $port := .Values.api.service.ports.wireguard.nodePort -}}
{{- range ($service.spec).ports -}}
{{- if and (eq .name "wireguard") (not $port) }}{{ $port = .nodePort }}{{ end -}}
{{- end -}}
{{- $name := printf "%s/%s" .Release.Namespace (include "vpn.api.fullname" .) -}}
{{- $port | default (add 30000 (mod (adler32sum $name) 2768)) -}}
{{- end }}

{{- define "vpn.serverPort" -}}
{{- if .Values.api.envVars.serverPort -}}{{ .Values.api.envVars.serverPort }}
{{- else if eq .Values.api.service.type "NodePort" -}}{{ include "vpn.wireguardNodePort" . }}
{{- else -}}{{ .Values.api.service.ports.wireguard.port }}
{{- end -}}
{{- end }}

{{/* The address of the load balancer; nothing before it has one. */}}
{{- define "vpn.balancerAddress" -}}
{{- $service := lookup "v1" "Service" .Release.Namespace (include "vpn.api.fullname" .) -}}
{{- range (($service.status).loadBalancer).ingress | default list | first -}}
{{- . -}}
{{- end -}}
{{- end }}

{{/* The settings, as a map from variable to value: SERVER_IP may be missing. */}}
{{- define "vpn.settings" -}}
{{- $store := include "vpn.store" . -}}
{{- $given := .Values.api.envVars -}}
{{- $settings := dict
  "API_ADDRESS" "0.0.0.0"
  "API_PORT" .Values.api.service.ports.api.containerPort
  "API_TOKEN_FILE" "/run/secrets/vpn-enabler/api-token"
  "PEER_ALLOWED_IPS" $given.peerAllowedIPs
  "SERVER_PORT" (include "vpn.serverPort" .)
  "STORE" $store
  "WG_PORT" .Values.api.service.ports.wireguard.containerPort
  "WG_PRIVATE_KEY_FILE" "/run/secrets/vpn-enabler/wg-private-key"
  "WG_SUBNET" $given.wgSubnet -}}
{{- with $given.serverIP }}{{ $_ := set $settings "SERVER_IP" . }}{{ end -}}
{{- with $given.wgSubnet6 }}{{ $_ := set $settings "WG_SUBNET6" . }}{{ end -}}
{{- if eq $store "ltse" -}}
{{- $_ := set $settings "LTSE" "true" -}}
{{- $_ := set $settings "LTSE_INDEX" $given.ltseIndex -}}
{{- if contains "@" $given.ltseUrl -}}
{{- $_ := set $settings "LTSE_URL_FILE" "/run/secrets/vpn-enabler/ltse-url" -}}
{{- else -}}
{{- $_ := set $settings "LTSE_URL" $given.ltseUrl -}}
{{- end -}}
{{- else if eq (include "vpn.db.bundled" .) "true" -}}
{{- $_ := set $settings "MONGODB_HOST" (include "vpn.db.fullname" .) -}}
{{- $_ := set $settings "MONGODB_PORT" .Values.db.service.ports.mongo.port -}}
{{- $_ := set $settings "MONGODB_USER" .Values.db.envVars.username -}}
{{- $_ := set $settings "MONGODB_PASS_FILE" "/run/secrets/vpn-enabler/mongodb-password" -}}
{{- else if eq $store "mongodb" -}}
{{- $database := .Values.api.externalDatabase -}}
{{- if eq (include "vpn.db.hostIsUri" .) "true" -}}
{{- $_ := set $settings "MONGODB_HOST_FILE" "/run/secrets/vpn-enabler/mongodb-host" -}}
{{- else -}}
{{- $_ := set $settings "MONGODB_HOST" $database.host -}}
{{- $_ := set $settings "MONGODB_PORT" $database.port -}}
{{- end -}}
{{- if eq (include "vpn.db.external.hasPassword" .) "true" -}}
{{- $_ := set $settings "MONGODB_USER" $database.username -}}
{{- $_ := set $settings "MONGODB_PASS_FILE" "/run/secrets/vpn-enabler/mongodb-password" -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := .Values.api.extraEnv }}{{ $_ := set $settings $name $value }}{{ end -}}
{{- toYaml $settings -}}
{{- end }}

{{/* "true" where the external database asks who we are. */}}
{{- define "vpn.db.external.hasPassword" -}}
{{- $database := .Values.api.externalDatabase -}}
{{- if and $database.username (or $database.password $database.existingSecret) -}}true{{- end -}}
{{- end }}

{{/* What is mounted at /run/secrets/vpn-enabler. */}}
{{- define "vpn.secretSources" -}}
{{- $store := include "vpn.store" . -}}
- secret:
    name: {{ include "vpn.api.secretName" . }}
    items:
      - { key: wg-private-key, path: wg-private-key }
      - { key: api-token, path: api-token }
{{- if and (eq $store "ltse") (contains "@" .Values.api.envVars.ltseUrl) }}
- secret:
    name: {{ include "vpn.api.fullname" . }}
    items:
      - { key: ltse-url, path: ltse-url }
{{- else if eq $store "mongodb" }}
{{- $bundled := eq (include "vpn.db.bundled" .) "true" }}
{{- if or $bundled (eq (include "vpn.db.external.hasPassword" .) "true") }}
- secret:
    name: {{ include "vpn.db.secretName" . }}
    items:
      - { key: mongodb-password, path: mongodb-password }
{{- end }}
{{- if and (not $bundled) (eq (include "vpn.db.hostIsUri" .) "true") }}
- secret:
    name: {{ include "vpn.api.fullname" . }}
    items:
      - { key: mongodb-host, path: mongodb-host }
{{- end }}
{{- end }}
{{- end }}

{{/* The gateway runs as root without root's rights: no capability but the one that makes an interface and its firewall rules. */}}
{{- define "vpn.api.securityContext" -}}
{{- $ours := dict
  "runAsUser" 0
  "readOnlyRootFilesystem" true
  "allowPrivilegeEscalation" false
  "capabilities" (dict "drop" (list "ALL") "add" (list "NET_ADMIN")) -}}
{{- mergeOverwrite $ours (deepCopy .Values.api.securityContext) | toYaml -}}
{{- end }}

{{/* The pod's sysctls, as a map: with IPv6 in the VPN its forwarding, too. */}}
{{- define "vpn.sysctls" -}}
{{- $sysctls := deepCopy .Values.api.sysctls.values -}}
{{- if and .Values.api.envVars.wgSubnet6 (not (hasKey $sysctls "net.ipv6.conf.all.forwarding")) -}}
{{- $_ := set $sysctls "net.ipv6.conf.all.forwarding" "1" -}}
{{- end -}}
{{- toYaml $sysctls -}}
{{- end }}

{{- define "vpn.api.podSecurityContext" -}}
{{- $ours := dict "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- if eq (toString (.Values.api.sysctls).mode) "podSecurityContext" -}}
{{- $sysctls := list -}}
{{- range $name, $value := include "vpn.sysctls" . | fromYaml -}}
{{- $sysctls = append $sysctls (dict "name" $name "value" (toString $value)) -}}
{{- end -}}
{{- $_ := set $ours "sysctls" $sysctls -}}
{{- end -}}
{{- mergeOverwrite $ours (deepCopy .Values.api.podSecurityContext) | toYaml -}}
{{- end }}

{{- define "vpn.api.image" -}}
{{- printf "%s:%s" .Values.api.image.repository (.Values.api.image.tag | default .Chart.AppVersion) -}}
{{- end }}
