# A role for each component that opens a bucket, for its service account alone; and, for those whom var.role_principals
# names, one that reads all and one that erases. Nobody may change a retention, or delete what is sealed.

locals {
  service_accounts = concat(["gateway", "notary", "monitor", "controller"], var.audit ? ["auditor"] : [])

  object_rights = {
    # The gateway's pod: the sidecar writes payloads that are too large for the log, and reads what is sealed.
    gateway = {
      read   = ["sealed", "payloads"]
      write  = ["payloads"]
      delete = []
    }
    notary = {
      read   = ["sealed", "archive"]
      write  = ["sealed", "archive"]
      delete = []
    }
    monitor = {
      read   = ["payloads"]
      write  = []
      delete = []
    }
    controller = {
      read   = ["payloads"]
      write  = []
      delete = []
    }
    # `affiant audit`, `retention show`, `erase show`; the chart's job, and people.
    auditor = {
      read   = ["sealed", "archive", "payloads"]
      write  = []
      delete = []
    }
    # `affiant erase` writes a file of the archive again without some payloads, `retention apply` removes files; both remove
    # what was too large for the log.
    eraser = {
      read   = ["sealed", "archive", "payloads"]
      write  = ["archive"]
      delete = ["archive", "payloads"]
    }
  }

  people  = { for role, principals in var.role_principals : role => principals if length(principals) > 0 }
  objects = { for role, rights in local.object_rights : role => rights if contains(concat(local.service_accounts, [for named, _ in local.people : named]), role) }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.objects

  dynamic "statement" {
    for_each = contains(local.service_accounts, each.key) ? [each.key] : []

    content {
      actions = ["sts:AssumeRoleWithWebIdentity"]

      principals {
        type        = "Federated"
        identifiers = [var.oidc_provider.arn]
      }

      condition {
        test     = "StringEquals"
        variable = "${var.oidc_provider.url}:sub"
        values   = ["system:serviceaccount:${var.namespace}:${var.name}-${statement.value}"]
      }

      condition {
        test     = "StringEquals"
        variable = "${var.oidc_provider.url}:aud"
        values   = ["sts.amazonaws.com"]
      }
    }
  }

  dynamic "statement" {
    for_each = [for role, principals in local.people : principals if role == each.key]

    content {
      actions = ["sts:AssumeRole"]

      principals {
        type        = "AWS"
        identifiers = statement.value
      }
    }
  }
}

data "aws_iam_policy_document" "objects" {
  for_each = local.objects

  statement {
    sid       = "Look"
    actions   = ["s3:ListBucket"]
    resources = [for bucket in each.value.read : aws_s3_bucket.this[bucket].arn]
  }

  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = [for bucket in each.value.read : "${aws_s3_bucket.this[bucket].arn}/*"]
  }

  dynamic "statement" {
    for_each = length(each.value.write) > 0 ? [each.value.write] : []

    content {
      sid       = "Write"
      actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
      resources = [for bucket in statement.value : "${aws_s3_bucket.this[bucket].arn}/*"]
    }
  }

  dynamic "statement" {
    for_each = length(each.value.delete) > 0 ? [each.value.delete] : []

    content {
      sid       = "Erase"
      actions   = ["s3:DeleteObject"]
      resources = [for bucket in statement.value : "${aws_s3_bucket.this[bucket].arn}/*"]
    }
  }

  statement {
    sid       = "Key"
    actions   = length(each.value.write) > 0 ? ["kms:Decrypt", "kms:GenerateDataKey"] : ["kms:Decrypt"]
    resources = [local.kms_key_arn]
  }
}

resource "aws_iam_role" "this" {
  for_each = local.objects

  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
  tags               = var.tags
}

resource "aws_iam_role_policy" "objects" {
  for_each = local.objects

  name   = "objects"
  role   = aws_iam_role.this[each.key].id
  policy = data.aws_iam_policy_document.objects[each.key].json
}
