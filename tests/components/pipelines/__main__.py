"""Make the environments."""

from tests.components.pipelines import NAMES, python_of

for name in NAMES:
    python_of(name)
