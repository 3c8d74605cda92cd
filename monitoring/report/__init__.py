"""The drift report: reference against window, column by column, most drifted first. One HTML page for people."""

from .kept import Kept, kept_of
from .page import page
from .parts import Shares, shares_of

__all__ = ["Kept", "Shares", "kept_of", "page", "shares_of"]
