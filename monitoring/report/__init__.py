"""The drift report: reference against window, column by column, most drifted first. One HTML page for people."""

from .page import page
from .parts import Shares, shares_of

__all__ = ["Shares", "page", "shares_of"]
