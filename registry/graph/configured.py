"""The query layer of a settings file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from audit.config import Config
from audit.errors import ConfigError
from audit.log import configured_governance_log
from audit.proof.errors import FormatError
from registry.approvals.root import Root, parse_root
from registry.settings import GovernanceSettings
from registry.stores import configured_store

from .query import Lineage
from .results import Place


def configured_lineage(config: Config, directory: Path, plan: Iterable[Place] = ()) -> Lineage:
    """The lineage of the settings' governance log and store; it holds what its index held before the first `refresh`.

    Args:
        config: the settings.
        directory: of the index; what is in it may be deleted at any time.
        plan: where packages serve by the settings, in services of which there is no deployment event.

    Raises:
        ConfigError: the settings contradict each other, or their root is none.
        IndexUnusable: the index cannot be written.
    """
    log = configured_governance_log(config, create=False)
    return Lineage(directory, log, configured_store(config), first_root(config), plan)


def first_root(config: Config) -> Root | None:
    """The first root of the settings, or None where nothing is governed.

    Raises:
        ConfigError: it is not there, or is no signed root.
    """
    path = config.section("governance", GovernanceSettings).root
    if path is None:
        return None
    try:
        return parse_root(config.resolve(path).read_bytes())
    except (OSError, FormatError) as error:
        raise ConfigError(f"{config.path.name}: [governance] root: {path}: {error}") from error
