output "topics" {
  description = "The topics' names."
  value       = local.topics
}

output "buckets" {
  description = "ARNs of the buckets, by what is in them."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.arn }
}

output "roles" {
  description = "ARNs of the components' roles, for the policy of the KMS key."
  value       = { for component, role in aws_iam_role.this : component => role.arn }
}

output "release" {
  description = "Name, namespace and version of the release."
  value = {
    name      = helm_release.affiant.name
    namespace = helm_release.affiant.namespace
    version   = helm_release.affiant.version
  }
}
