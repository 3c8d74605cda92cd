"""What a bucket itself says of Object Lock, as far as its objects tell: `[notary] object_lock` is what settings say.

Object Lock needs versions, so a bucket that keeps none holds nothing. One that keeps versions may hold them or not: its
default rule is for whoever administers it to read (`aws s3api get-object-lock-configuration`).
"""

from __future__ import annotations

from .base import Objects
from .bucket import BucketObjects


def keeps_versions(objects: Objects, name: str = "") -> bool | None:
    """Whether the store keeps versions of what is written; None when there is no object to see it by.

    False of a directory. Args: `name` of an object to look at; the first one that is listed when empty or not there.

    Raises:
        ObjectsUnavailable: the store does not answer.
    """
    if not isinstance(objects, BucketObjects):
        return False
    found = objects.versioned(name) if name else None
    if found is None:
        first = next(objects.list(""), None)
        found = None if first is None else objects.versioned(first)
    return found
