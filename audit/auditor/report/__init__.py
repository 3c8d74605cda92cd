"""The report of an evidence bundle, for people (docs/evidence-bundle.md, "Reading a bundle")."""

from .exchange import Exchange
from .page import Report

__all__ = ["Exchange", "Report"]
