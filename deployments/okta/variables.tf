variable "org_url" {
  description = "The org's own address, as in OKTA_URL: https://acme.okta.com"
  type        = string
  validation {
    condition     = can(regex("^https://[a-z0-9.-]+$", var.org_url)) && !strcontains(var.org_url, "-admin.okta")
    error_message = "Give the org's own address without a path, not that of the Admin Console."
  }
}

variable "label" {
  description = "The app's name in the Admin Console"
  type        = string
  default     = "okta-collector"
}

variable "services" {
  description = "The services and groups to collect, as in OKTA_SERVICES. Each scope that they need is granted, and no other."
  type        = set(string)
  default     = ["default"]
  validation {
    condition     = length(var.services) > 0
    error_message = "Name at least one service."
  }
}

# Only the public part. The private key stays where the collector runs, and is in no state of Terraform's.
variable "public_keys" {
  description = "The app's public keys as JWKs: RSA with e and n, or EC with x and y. Two during a rotation."
  type = list(object({
    kid = string
    kty = string
    e   = optional(string)
    n   = optional(string)
    x   = optional(string)
    y   = optional(string)
  }))
  validation {
    condition     = length(var.public_keys) > 0
    error_message = "Give at least one public key."
  }
}

variable "role" {
  description = "The app's admin role. READ_ONLY_ADMIN may read what the default services collect."
  type        = string
  default     = "READ_ONLY_ADMIN"
  validation {
    condition     = var.role != "SUPER_ADMIN"
    error_message = "No service of the collector needs a Super Administrator."
  }
}
