"""The doctor in each container of the chart as it renders: it finds nothing wrong with what is mounted there.

The volumes are laid out below a folder with the modes that a kubelet would give, and the settings' paths with them.
That a volume is root's and only read is said to the doctor: this test cannot mount one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.config import load
from audit.doctor.base import Finding
from audit.doctor.secrets import Facts
from cli import doctor_keys
from cli.doctor_checks import Asked
from cli.main import run
from service.auth import add_key
from tests.components.certificates import Authority
from tests.deploy.helm_chart import MATRIX, Pod, pod, running, settings, settings_file

PLACES = ("/run/affiant", "/var/lib/affiant", "/etc/affiant")


@dataclass
class Layout:
    """A container's files below `root`; `secret` are the folders that a Secret's volume is mounted at."""

    root: Path
    secret: set[Path]

    def facts(self, descriptor: int) -> Facts:
        """As in the container: its mode here, and root's on a mount that is only read where it is a Secret's."""
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        mounted = not self.secret.isdisjoint(path.parents)
        return Facts(mode, 0 if mounted else 1000, mounted)


class Shelf:
    """What the Secrets of a release hold, by the name that a file has in its volume."""

    def __init__(self, directory: Path) -> None:
        authority = Authority(directory)
        shown = authority.issue("affiant")
        self.content = {
            name: file.read_bytes()
            for names, file in (
                (("tls.crt", "user.crt"), shown.certificate),
                (("tls.key", "user.key"), shown.key),
                (("ca.crt",), authority.certificate),
            )
            for name in names
        }
        add_key(directory / "keys.json", "batch")
        (directory / "affiant.toml").touch()
        with pytest.raises(SystemExit):
            run(["notary", "keygen", "--config", str(directory / "affiant.toml")])
        self.content |= {name: (directory / name).read_bytes() for name in ("keys.json", "notary.key")}

    def of(self, name: str) -> bytes:
        """A text where the doctor asks for no more than that it is there."""
        return self.content.get(name, b"secret\n")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


def _files(volume: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Names and modes of a Secret's or a projected volume."""
    for source in volume["projected"]["sources"] if "projected" in volume else [volume]:
        mode = volume.get("projected", volume.get("secret", {})).get("defaultMode", 0o644)
        given = source.get("secret", source.get("configMap", {}))
        whole = ["tls.crt", "tls.key", "ca.crt"] if "secret" in source else []  # cert-manager's
        names = [item["path"] for item in given.get("items", ())] or whole
        yield from ((name, int(mode)) for name in names)


def lay_out(found: Pod, container: str, root: Path, shelf: Shelf) -> Layout:
    """The files of a container: mounted, or copied by its init container."""
    layout = Layout(root, set())
    volumes = found.volumes()
    for mount in found.container(container)["volumeMounts"]:
        place = root / mount["mountPath"].lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        volume = volumes.get(mount["name"], {})
        if mount["name"] == "keys":  # what `install -m 0600` makes of the volume of secrets
            copied = [(name, 0o600) for name, _ in _files(dict(volumes["secrets"]))]
        elif "secret" in volume or "projected" in volume:
            assert mount["readOnly"] is True
            layout.secret.add(place)
            copied = list(_files(dict(volume)))
        else:
            continue
        for name, mode in copied:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(shelf.of(Path(name).name))
            (place / name).chmod(mode)
    return layout


@pytest.mark.parametrize("values", MATRIX)
def test_in_each_container_its_keys_and_certificates_are_right(
    values: str, shelf: Shelf, tmp_path: Path
) -> None:
    """Each is looked at with `--only` its component: nothing is missed, nothing is open, nothing is another's."""
    looked: set[str] = set()
    for component in running(values):
        for name in ("gateway", "sidecar") if component == "gateway" else (component,):
            root = tmp_path / name
            layout = lay_out(pod(values, component), name, root, shelf)
            text = settings_file(values, component)
            for place in PLACES:
                text = text.replace(f'"{place}', f'"{root}{place}')
            (root / "affiant.toml").write_text(text)
            asked = Asked(load(root / "affiant.toml"), {name}, facts=layout.facts)
            outcomes = [*doctor_keys.keys(asked), *doctor_keys.certificates(asked)]
            assert [each for each in outcomes if isinstance(each, Finding)] == [], (values, name)
            looked |= {each.what for each in outcomes if not isinstance(each, Finding)}
    assert "API keys" in looked
    held = "notary" in running(values) and "signer_command" not in settings(values, "notary")["notary"]
    assert ("the notary's key" in looked) is held  # a command's key is in no file
    if values == "bank":
        assert {"our key for the brokers", "the certificate of the brokers' CA"} <= looked
