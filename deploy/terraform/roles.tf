# A role for each component that opens a bucket, for its service account alone. Nobody may delete, or change a retention.

locals {
  objects = {
    # The gateway's pod: the sidecar writes payloads that are too large for the log, and reads what is sealed.
    gateway = {
      read  = ["sealed", "payloads"]
      write = ["payloads"]
    }
    notary = {
      read  = ["sealed", "archive"]
      write = ["sealed", "archive"]
    }
    monitor = {
      read  = ["payloads"]
      write = []
    }
    controller = {
      read  = ["payloads"]
      write = []
    }
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.objects

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${var.oidc_provider.url}:sub"
      values   = ["system:serviceaccount:${var.namespace}:${var.name}-${each.key}"]
    }

    condition {
      test     = "StringEquals"
      variable = "${var.oidc_provider.url}:aud"
      values   = ["sts.amazonaws.com"]
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
