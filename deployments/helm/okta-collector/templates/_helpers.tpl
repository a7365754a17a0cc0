{{- define "okta-collector.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "okta-collector.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: worker
{{- end -}}

{{- define "okta-collector.labels" -}}
{{ include "okta-collector.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "okta-collector.metadata" -}}
name: {{ include "okta-collector.name" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "okta-collector.labels" . | nindent 2 }}
{{- end -}}

{{- define "okta-collector.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "okta-collector.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* The settings of all tenants: those of a tenant have its name before theirs. */ -}}
{{- define "okta-collector.settings" -}}
{{- $settings := dict -}}
{{- range $name, $value := .Values.settings -}}
{{- $_ := set $settings $name (toString $value) -}}
{{- end -}}
{{- if .Values.tenants -}}
{{- $_ := set $settings "COLLECTOR_TENANTS" (keys .Values.tenants | sortAlpha | join ",") -}}
{{- end -}}
{{- range $tenant, $own := .Values.tenants -}}
{{- range $name, $value := $own -}}
{{- $_ := set $settings (printf "%s_%s" ($tenant | upper | replace "-" "_") $name) (toString $value) -}}
{{- end -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}
