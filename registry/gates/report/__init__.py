"""Gate results for people: one line a gate, and one HTML page."""

from .page import page
from .summary import summary

__all__ = ["page", "summary"]
