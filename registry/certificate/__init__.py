"""Certificates of compliance: what shows that a package may answer, in one file (docs/certificate.md)."""

from .make import Made, make_certificate
from .seal import Seal, sealed_of

__all__ = ["Made", "Seal", "make_certificate", "sealed_of"]
