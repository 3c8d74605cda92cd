"""The lineage of everything as one graph: packages, data, statements, deployments (docs/lineage.md)."""

from .configured import configured_lineage
from .query import Lineage
from .results import Data, DataLine, DataLineage, Line, PackageLineage, Place, Spoken, Trained, plain

__all__ = [
    "Data",
    "DataLine",
    "DataLineage",
    "Line",
    "Lineage",
    "PackageLineage",
    "Place",
    "Spoken",
    "Trained",
    "configured_lineage",
    "plain",
]
