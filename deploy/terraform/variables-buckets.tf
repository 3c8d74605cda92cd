variable "buckets" {
  description = "Names of the three buckets, which are the world's: trees and entries under Object Lock, the archive's payloads, and payloads too large for the log."
  type = object({
    sealed   = string
    archive  = string
    payloads = string
  })

  validation {
    condition     = length(distinct(values(var.buckets))) == 3
    error_message = "buckets: three different ones. Payloads in the clear must be erasable, and so never be under the lock."
  }
}

variable "region" {
  description = "The buckets' region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: such as eu-central-1."
  }
}

variable "retention_days" {
  description = "How long nobody, no administrator either, deletes a version of what is sealed. It can be made longer, never shorter."
  type        = number

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 36500 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days: a whole number from 1 to 36500."
  }
}

variable "lock_mode" {
  description = "COMPLIANCE: nobody shortens it. GOVERNANCE: who has a special right may, for trying things out."
  type        = string
  default     = "COMPLIANCE"

  validation {
    condition     = contains(["COMPLIANCE", "GOVERNANCE"], var.lock_mode)
    error_message = "lock_mode: COMPLIANCE or GOVERNANCE."
  }
}

variable "kms_key_arn" {
  description = "KMS key with which the buckets encrypt, where the key and who may use it are somebody else's; empty: one is made."
  type        = string
  default     = ""

  validation {
    condition     = var.kms_key_arn == "" || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn: arn:aws:kms:REGION:ACCOUNT:key/ID, or empty."
  }
}

variable "role_principals" {
  description = "ARNs of the IAM roles and users of people and pipelines that may take a role: `auditor` reads all three buckets; `eraser` reads them, writes files of the archive again without what is erased, and deletes in archive and payloads, never in what is sealed. Where none is named there is no such role."
  type = object({
    auditor = optional(list(string), [])
    eraser  = optional(list(string), [])
  })
  default = {
    auditor = []
    eraser  = []
  }

  validation {
    condition     = alltrue(flatten([for principals in values(var.role_principals) : [for arn in principals : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[^*]+$", arn))]]))
    error_message = "role_principals: arn:aws:iam::ACCOUNT:role/NAME or :user/NAME, each; no whole account, and nobody by a *."
  }
}

variable "oidc_provider" {
  description = "The cluster's OIDC provider, by which pods get roles: its ARN, and its URL without the scheme."
  type = object({
    arn = string
    url = string
  })

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/.+$", var.oidc_provider.arn)) && !strcontains(var.oidc_provider.url, "://")
    error_message = "oidc_provider: arn:aws:iam::ACCOUNT:oidc-provider/…, and the URL without https://."
  }
}
