"""Dashboards for Grafana as code. `boards` says what they show; `rendered` gives the files."""

from .boards import boards
from .files import FOLDER, rendered
from .form import Board, Ground

__all__ = ["FOLDER", "Board", "Ground", "boards", "rendered"]
