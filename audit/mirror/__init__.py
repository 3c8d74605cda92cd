"""The mirror: a copy of each journal's entries for Fluentd or Fluent Bit. The record itself is the log's."""
