# What is installed, and where. Keys, passwords and certificates are named here, never given: they are Secrets that are
# there before (README.md says which), so that none of them is in Terraform's state.

variable "name" {
  description = "The release's name, with which those of its roles begin."
  type        = string
  default     = "affiant"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}[a-z0-9]$", var.name))
    error_message = "name: 3 to 22 lower-case letters, digits and dashes, a letter first: the roles' names begin with it."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of the release. It must be there: the Secrets are in it."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "namespace: a Kubernetes name of at most 63 lower-case letters, digits and dashes."
  }
}

variable "tags" {
  description = "Tags of everything that is made in AWS."
  type        = map(string)
  default     = {}
}

variable "images" {
  description = "Where the images are, and their digests: what runs is named by its content. `auditor` is wanted with `audit`."
  type = object({
    registry   = string
    gateway    = string
    sidecar    = string
    notary     = string
    monitor    = string
    controller = string
    auditor    = optional(string)
  })

  validation {
    condition = alltrue([
      for component, digest in var.images :
      can(regex("^sha256:[0-9a-f]{64}$", digest)) if component != "registry" && digest != null
    ])
    error_message = "images: each component's digest is sha256: and 64 hexadecimal digits."
  }
}

variable "gateways" {
  description = "Pods of the gateway, each with a journal on a volume of its own."
  type        = number
  default     = 3

  validation {
    condition     = var.gateways >= 1 && floor(var.gateways) == var.gateways
    error_message = "gateways: a whole number, 1 or more."
  }
}

variable "journal_volume" {
  description = "Size and class of a gateway's volume. [journal] max_bytes must fit in it, with room for one segment more."
  type = object({
    size          = string
    storage_class = string
  })
  default = {
    size          = "10Gi"
    storage_class = ""
  }

  validation {
    condition     = can(regex("^[1-9][0-9]*(Gi|Ti)$", var.journal_volume.size))
    error_message = "journal_volume.size: such as 10Gi."
  }
}

variable "api_keys_secret" {
  description = "Secret with `keys.json` of `affiant gateway keys add`: hashes of the API keys."
  type        = string

  validation {
    condition     = var.api_keys_secret != ""
    error_message = "api_keys_secret: a gateway that others than its own machine reach needs API keys."
  }
}

variable "payload_keys_secret" {
  description = "Secret with `payload-keys.json` of `affiant payload-keys new`: payloads are encrypted by the gateway; empty: they are in the clear, below KMS."
  type        = string
  default     = ""
}

variable "models_reference" {
  description = "OCI registry and repository of the model packages."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+$", var.models_reference))
    error_message = "models_reference: registry and repository without a scheme, such as registry.example.com/models/credit."
  }
}

variable "models_docker_config_secret" {
  description = "Secret of type kubernetes.io/dockerconfigjson for that registry; empty: it asks for nothing."
  type        = string
  default     = ""
}

variable "root" {
  description = "Content of root.json: whose signatures are believed (docs/approvals.md). It is no secret."
  type        = string

  validation {
    condition     = can(jsondecode(var.root))
    error_message = "root: the content of the file, as JSON: file(\"root.json\")."
  }
}

variable "notary" {
  description = "Whose log it is (a host name that you own; it never changes), the notary's vkey, and the Secret with `notary.key`."
  type = object({
    name       = string
    public_key = string
    key_secret = string
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+(/[A-Za-z0-9._-]+)*$", var.notary.name))
    error_message = "notary.name: a host name that you own, without a scheme."
  }

  validation {
    condition     = can(regex("^[^ +]+\\+[0-9a-f]{8}\\+[A-Za-z0-9+/=]+$", var.notary.public_key))
    error_message = "notary.public_key: a vkey, as `affiant notary vkey` prints it."
  }
}

variable "controller" {
  description = "Whether rollbacks happen by themselves, and the Secrets with `controller.key` and `controller.token`."
  type = object({
    enabled      = bool
    key_secret   = string
    token_secret = string
  })
  default = {
    enabled      = false
    key_secret   = ""
    token_secret = ""
  }

  validation {
    condition     = !var.controller.enabled || (var.controller.key_secret != "" && var.controller.token_secret != "")
    error_message = "controller: enabled, it needs key_secret and token_secret."
  }
}

variable "audit" {
  description = "Whether `affiant audit verify` is run daily in the cluster. It needs `auditor` in images and in kafka_users."
  type        = bool
  default     = false
}

variable "release" {
  description = "Whether the chart is installed. false the first time: topics, rights, buckets and roles alone, so that something can be approved and deployed before gateways are waited for. Once there is a release, false removes it."
  type        = bool
  default     = true
}

variable "values" {
  description = "More values of the chart, as YAML documents; the last one wins, also over what this module sets."
  type        = list(string)
  default     = []
}
