# Who writes, writes what it must, and reads it to find out what landed. Nobody creates, alters or deletes.

locals {
  reads  = ["Read", "Describe", "DescribeConfigs"]
  writes = ["Read", "Write", "Describe", "DescribeConfigs"]

  rights = {
    gateway = {
      entries    = local.writes
      governance = local.reads
    }
    notary = {
      entries    = local.reads
      governance = local.writes
    }
    monitor = {
      entries    = local.reads
      governance = local.reads
      panes      = local.writes
    }
    controller = {
      entries    = local.reads
      governance = local.writes
    }
    follow = {
      governance = local.reads
    }
    operator = {
      entries    = local.reads
      governance = local.writes
    }
    auditor = {
      entries    = local.reads
      governance = local.reads
    }
  }

  # Without those that nobody has named.
  kafka_users = { for user, principal in var.kafka_users : user => principal if principal != null }

  acls = merge([
    for user, topics in local.rights : merge([
      for topic, operations in topics : {
        for operation in operations : "${user}/${topic}/${operation}" => {
          user      = user
          topic     = topic
          operation = operation
        }
      }
    ]...) if contains([for named, _ in local.kafka_users : named], user)
  ]...)
}

resource "kafka_acl" "topic" {
  for_each = local.acls

  resource_type                = "Topic"
  resource_name                = local.topics[each.value.topic]
  resource_pattern_type_filter = "Literal"
  acl_principal                = local.kafka_users[each.value.user]
  acl_host                     = "*"
  acl_operation                = each.value.operation
  acl_permission_type          = "Allow"
}

resource "kafka_acl" "group" {
  for_each = toset(["Read", "Describe"])

  resource_type                = "Group"
  resource_name                = local.monitor_group
  resource_pattern_type_filter = "Literal"
  acl_principal                = var.kafka_users.monitor
  acl_host                     = "*"
  acl_operation                = each.value
  acl_permission_type          = "Allow"
}
