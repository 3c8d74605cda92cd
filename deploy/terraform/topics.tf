# The topics, with the settings that `affiant topics check` wants: what is recorded is neither compacted nor dropped, an
# acknowledgement is two brokers' word, and no replica that lags becomes the leader. Without its resource a topic would be
# deleted, and the record with it.

locals {
  topics = {
    entries    = "affiant-entries"
    governance = "affiant-governance"
    panes      = "affiant-panes"
  }
  monitor_group = "affiant-monitor"

  log_settings = {
    "cleanup.policy"                 = "delete"
    "retention.ms"                   = "-1"
    "retention.bytes"                = "-1"
    "min.insync.replicas"            = "2"
    "unclean.leader.election.enable" = "false"
    "max.message.bytes"              = "8454144"
    "message.timestamp.type"         = "LogAppendTime"
    "compression.type"               = "producer"
  }
  # The record alone may be dropped after a time, as an archive keeps it: whoever starts reads the whole governance log.
  record_settings = merge(local.log_settings, { "retention.ms" = tostring(var.kafka_retention_ms) })
  panes_settings = {
    "cleanup.policy"                 = "compact"
    "min.insync.replicas"            = "2"
    "unclean.leader.election.enable" = "false"
    "max.message.bytes"              = "8454144"
    "segment.bytes"                  = "33554432"
    "compression.type"               = "producer"
  }
}

resource "kafka_topic" "entries" {
  name               = local.topics.entries
  partitions         = var.kafka_partitions
  replication_factor = var.kafka_replication
  config             = local.record_settings

  lifecycle {
    prevent_destroy = true
  }
}

resource "kafka_topic" "governance" {
  name               = local.topics.governance
  partitions         = 1
  replication_factor = var.kafka_replication
  config             = local.log_settings

  lifecycle {
    prevent_destroy = true
  }
}

resource "kafka_topic" "panes" {
  name               = local.topics.panes
  partitions         = var.kafka_partitions
  replication_factor = var.kafka_replication
  config             = local.panes_settings

  lifecycle {
    prevent_destroy = true
  }
}
