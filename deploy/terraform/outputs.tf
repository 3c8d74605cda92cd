output "topics" {
  description = "The topics' names."
  value       = local.topics
}

output "buckets" {
  description = "ARNs of the buckets, by what is in them."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.arn }
}

output "kms_key_arn" {
  description = "The KMS key with which the buckets encrypt."
  value       = local.kms_key_arn
}

output "roles" {
  description = "ARNs of the roles, for the policy of a KMS key of yours."
  value       = { for component, role in aws_iam_role.this : component => role.arn }
}

output "release" {
  description = "Name, namespace and version of the release; null as long as there is none."
  value = var.release ? {
    name      = helm_release.affiant[0].name
    namespace = helm_release.affiant[0].namespace
    version   = helm_release.affiant[0].version
  } : null
}
