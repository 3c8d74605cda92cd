variable "kafka_bootstrap" {
  description = "Brokers to ask first, as host:port, separated by commas."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+:[0-9]+(,[A-Za-z0-9.-]+:[0-9]+)*$", var.kafka_bootstrap))
    error_message = "kafka_bootstrap: host:port, separated by commas."
  }
}

variable "kafka_partitions" {
  description = "Partitions of the record, and so the most monitors that share it."
  type        = number
  default     = 12

  validation {
    condition     = var.kafka_partitions >= 1 && var.kafka_partitions <= 10000 && floor(var.kafka_partitions) == var.kafka_partitions
    error_message = "kafka_partitions: a whole number from 1 to 10000."
  }
}

variable "kafka_replication" {
  description = "Replicas of each topic. An acknowledgement is two brokers' word, and the loss of one stops nothing, from 3 on."
  type        = number
  default     = 3

  validation {
    condition     = var.kafka_replication >= 3 && floor(var.kafka_replication) == var.kafka_replication
    error_message = "kafka_replication: 3 or more. With min.insync.replicas = 2, fewer would stop at the loss of one broker."
  }
}

variable "kafka_retention_ms" {
  description = "How long Kafka keeps the record, in milliseconds: longer than notary, monitors and auditors may be away. -1: for ever; the archive keeps it for ever in any case."
  type        = number
  default     = -1

  validation {
    condition     = var.kafka_retention_ms == -1 || (var.kafka_retention_ms >= 86400000 && floor(var.kafka_retention_ms) == var.kafka_retention_ms)
    error_message = "kafka_retention_ms: -1, or a whole number of at least a day (86400000)."
  }
}

variable "kafka_security_protocol" {
  description = "SSL: components show certificates. SASL_SSL: they log in by the names of kafka_users, with passwords."
  type        = string
  default     = "SSL"

  validation {
    condition     = contains(["SSL", "SASL_SSL"], var.kafka_security_protocol)
    error_message = "kafka_security_protocol: SSL or SASL_SSL. ACLs know nobody by anything else, and nothing goes in the clear."
  }
}

variable "kafka_sasl_mechanism" {
  description = "With SASL_SSL: how components log in."
  type        = string
  default     = "SCRAM-SHA-512"

  validation {
    condition     = contains(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], var.kafka_sasl_mechanism)
    error_message = "kafka_sasl_mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
  }
}

variable "kafka_users" {
  description = "Principals that the brokers know each by, as ACLs name them: `User:name`, or `User:CN=…` of a certificate. The sidecar is the gateway's. What is left out has no rights: `follow` is of the chart's jobs of that name, `operator` of people and pipelines that sign and deploy, `auditor` of those who look (docs/kubernetes.md says which command needs which)."
  type = object({
    gateway    = string
    notary     = string
    monitor    = string
    controller = string
    follow     = optional(string)
    operator   = optional(string)
    auditor    = optional(string)
  })
  default = {
    gateway    = "User:affiant-gateway"
    notary     = "User:affiant-notary"
    monitor    = "User:affiant-monitor"
    controller = "User:affiant-controller"
  }

  validation {
    condition     = alltrue([for user in values(var.kafka_users) : startswith(user, "User:") if user != null])
    error_message = "kafka_users: each begins with User:."
  }

  validation {
    condition     = length(distinct([for user in values(var.kafka_users) : user if user != null])) == length([for user in values(var.kafka_users) : user if user != null])
    error_message = "kafka_users: one each, or one of them could do what another may."
  }
}

variable "kafka_user_secrets" {
  description = "Secrets with the certificate (`user.crt`, `user.key`) of each that runs in the cluster; with SASL_SSL its `password`. `follow` and `auditor` are looked at where kafka_users has them, and something runs as them."
  type = object({
    gateway    = string
    notary     = string
    monitor    = string
    controller = string
    follow     = optional(string, "affiant-kafka-follow")
    auditor    = optional(string, "affiant-kafka-auditor")
  })
  default = {
    gateway    = "affiant-kafka-gateway"
    notary     = "affiant-kafka-notary"
    monitor    = "affiant-kafka-monitor"
    controller = "affiant-kafka-controller"
    follow     = "affiant-kafka-follow"
    auditor    = "affiant-kafka-auditor"
  }
}

variable "kafka_ca_secret" {
  description = "Secret with `ca.crt`, which signs the brokers' certificates."
  type        = string
  default     = "affiant-kafka-ca"
}
