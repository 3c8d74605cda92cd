# The chart, with what this module knows. Tests evaluate the values, and hold them to the chart's schema.

locals {
  # Brokers know a principal `User:name` by the name that logs in.
  sasl_names = {
    for user, principal in local.kafka_users :
    user => var.kafka_security_protocol == "SASL_SSL" ? trimprefix(principal, "User:") : ""
  }

  chart_values = {
    fullnameOverride = var.name
    images = merge(
      { registry = var.images.registry, requireDigest = true },
      { for component, digest in var.images : component => { digest = digest } if component != "registry" && digest != null }
    )
    kafka = {
      bootstrap        = var.kafka_bootstrap
      securityProtocol = var.kafka_security_protocol
      saslMechanism    = var.kafka_sasl_mechanism
      topics = {
        entries    = local.topics.entries
        governance = local.topics.governance
        panes      = local.topics.panes
      }
      monitorGroup = local.monitor_group
      partitions   = var.kafka_partitions
      replication  = var.kafka_replication
      archived     = var.kafka_retention_ms >= 0
      retentionMs  = var.kafka_retention_ms
      ca           = { secretName = var.kafka_ca_secret }
      # Of the chart's pods; people and pipelines come from elsewhere.
      users = {
        for user, name in local.sasl_names :
        user => { secretName = var.kafka_user_secrets[user], username = name } if user != "operator"
      }
    }
    objectStore = {
      payloads       = "s3://${var.buckets.payloads}/v1?region=${var.region}"
      sealed         = "s3://${var.buckets.sealed}/v1?region=${var.region}"
      sealedPayloads = "s3://${var.buckets.archive}/v1?region=${var.region}"
      objectLock     = true
      region         = var.region
    }
    models = {
      backend            = "oci"
      reference          = var.models_reference
      dockerConfigSecret = var.models_docker_config_secret
    }
    encryption = { keysSecret = { secretName = var.payload_keys_secret } }
    governance = {
      root       = var.root
      checkpoint = true
    }
    gateway = {
      replicas = var.gateways
      apiKeys  = { secretName = var.api_keys_secret }
      persistence = {
        size         = var.journal_volume.size
        storageClass = var.journal_volume.storage_class
      }
      serviceAccount = { annotations = { "eks.amazonaws.com/role-arn" = aws_iam_role.this["gateway"].arn } }
    }
    notary = {
      name           = var.notary.name
      publicKey      = var.notary.public_key
      keySecret      = { secretName = var.notary.key_secret }
      serviceAccount = { annotations = { "eks.amazonaws.com/role-arn" = aws_iam_role.this["notary"].arn } }
    }
    monitor = {
      serviceAccount = { annotations = { "eks.amazonaws.com/role-arn" = aws_iam_role.this["monitor"].arn } }
    }
    auditor = {
      enabled        = var.audit
      serviceAccount = { annotations = { for role in var.audit ? ["auditor"] : [] : "eks.amazonaws.com/role-arn" => aws_iam_role.this[role].arn } }
    }
    controller = {
      enabled        = var.controller.enabled
      keySecret      = { secretName = var.controller.key_secret }
      tokenSecret    = { secretName = var.controller.token_secret }
      serviceAccount = { annotations = { "eks.amazonaws.com/role-arn" = aws_iam_role.this["controller"].arn } }
    }
  }
}

resource "helm_release" "affiant" {
  count = var.release ? 1 : 0

  name      = var.name
  namespace = var.namespace
  chart     = "${path.module}/../helm/affiant"

  # It waits until each pod is ready, one after the other, and so it comes after the first deployment (var.release): a
  # gateway for which nothing is deployed is not. What failed is left to be looked at.
  wait            = true
  timeout         = 1800
  atomic          = false
  cleanup_on_fail = false
  lint            = true

  values = concat([yamlencode(local.chart_values)], var.values)

  lifecycle {
    precondition {
      condition     = !var.audit || contains([for user, _ in local.kafka_users : user], "auditor")
      error_message = "audit: it needs `auditor` in kafka_users, or the job could not read the logs."
    }
  }

  # Topics and rights before those who need them, and the lock before anything is written.
  depends_on = [
    aws_iam_role_policy.objects,
    aws_s3_bucket_lifecycle_configuration.sealed,
    aws_s3_bucket_object_lock_configuration.sealed,
    aws_s3_bucket_ownership_controls.this,
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    kafka_acl.group,
    kafka_acl.topic,
    kafka_topic.entries,
    kafka_topic.governance,
    kafka_topic.panes,
  ]
}
