# docs/archive.md says what lies where. `sealed` has trees, checkpoints and entries, which hold no personal data, under
# Object Lock with a default rule: the bucket's, so that whoever has the notary's keys cannot leave it out. `archive` and
# `payloads` have payloads, which must be erasable, and so no lock.

locals {
  buckets = {
    sealed   = var.buckets.sealed
    archive  = var.buckets.archive
    payloads = var.buckets.payloads
  }
}

# The key with which they encrypt. By its policy, AWS' own, the account's administrators say who uses it; the components'
# roles may (roles.tf). Without the key nobody reads what is in the buckets, and so no plan removes it.
resource "aws_kms_key" "this" {
  for_each = toset(var.kms_key_arn == "" ? ["buckets"] : [])

  description             = "${var.name}: ${each.key}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  tags                    = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

locals {
  kms_key_arn = var.kms_key_arn == "" ? aws_kms_key.this["buckets"].arn : var.kms_key_arn
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets

  bucket              = each.value
  object_lock_enabled = each.key == "sealed"
  force_destroy       = false
  tags                = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "sealed" {
  bucket = aws_s3_bucket.this["sealed"].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "sealed" {
  bucket = aws_s3_bucket.this["sealed"].id

  rule {
    default_retention {
      mode = var.lock_mode
      days = var.retention_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.sealed]
}

# `checkpoint` and `state` get a version at every seal: what is no longer current goes when its retention is over. What
# is current never does.
resource "aws_s3_bucket_lifecycle_configuration" "sealed" {
  bucket = aws_s3_bucket.this["sealed"].id

  rule {
    id     = "superseded"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.retention_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.sealed]
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = local.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

data "aws_iam_policy_document" "tls" {
  for_each = local.buckets

  statement {
    sid       = "NothingInTheClear"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  policy = data.aws_iam_policy_document.tls[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.this]
}
