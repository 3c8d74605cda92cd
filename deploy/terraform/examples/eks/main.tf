# A bank's cluster on EKS, with a Kafka that speaks TLS and knows clients by their certificates.

terraform {
  required_version = ">= 1.6"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.0"
    }
    kafka = {
      source  = "Mongey/kafka"
      version = ">= 0.8, < 1.0"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
}

provider "helm" {
  kubernetes = {
    config_path = "~/.kube/config"
  }
}

# Of an administrator, who may make topics and ACLs; by certificates that are files of whoever runs this.
provider "kafka" {
  bootstrap_servers = ["kafka-0.bank.example:9093", "kafka-1.bank.example:9093", "kafka-2.bank.example:9093"]
  ca_cert_file      = "ca.crt"
  client_cert_file  = "admin.crt"
  client_key_file   = "admin.key"
  tls_enabled       = true
}

module "affiant" {
  source = "../.."

  namespace = "scoring"
  tags      = { "cost-centre" = "4711" }

  images = {
    registry   = "registry.bank.example/affiant"
    gateway    = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
    sidecar    = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
    notary     = "sha256:3333333333333333333333333333333333333333333333333333333333333333"
    monitor    = "sha256:4444444444444444444444444444444444444444444444444444444444444444"
    controller = "sha256:5555555555555555555555555555555555555555555555555555555555555555"
    auditor    = "sha256:6666666666666666666666666666666666666666666666666666666666666666"
  }
  audit = true

  kafka_bootstrap    = "kafka-0.bank.example:9093,kafka-1.bank.example:9093,kafka-2.bank.example:9093"
  kafka_partitions   = 24
  kafka_retention_ms = 1209600000 # two weeks; the archive has all of it
  kafka_users = {
    gateway    = "User:CN=affiant-gateway"
    notary     = "User:CN=affiant-notary"
    monitor    = "User:CN=affiant-monitor"
    controller = "User:CN=affiant-controller"
    operator   = "User:CN=affiant-operator" # of people and pipelines that sign
    auditor    = "User:CN=affiant-auditor"
  }

  buckets = {
    sealed   = "bank-affiant-sealed"
    archive  = "bank-affiant-archive"
    payloads = "bank-affiant-payloads"
  }
  region         = "eu-central-1"
  retention_days = 3650
  role_principals = {
    auditor = ["arn:aws:iam::111122223333:role/audit"]
    eraser  = ["arn:aws:iam::111122223333:role/data-protection"]
  }
  oidc_provider = {
    arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF"
    url = "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF"
  }

  api_keys_secret     = "affiant-api-keys"
  payload_keys_secret = "affiant-payload-keys"
  models_reference    = "registry.bank.example/models/credit"
  root                = file("root.json")
  notary = {
    name       = "log.bank.example"
    public_key = trimspace(file("notary.pub"))
    key_secret = "affiant-notary-key"
  }
  controller = {
    enabled      = true
    key_secret   = "affiant-controller-key"
    token_secret = "affiant-controller-token"
  }

  values = [file("values.yaml")]
}

output "kms_key_arn" {
  description = "For whoever backs the buckets up."
  value       = module.affiant.kms_key_arn
}
