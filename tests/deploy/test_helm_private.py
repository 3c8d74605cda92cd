from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from audit.errors import ConfigError, JournalError, KeyRefused
from audit.journal import JournalSettings
from audit.notary.keys import FileKey, generate
from monitoring.controller.token import make_token, read_token
from service.auth import add_key, list_keys, read_keys, remove_key
from tests.components.journals import write_journal
from tests.components.process import Process
from tests.deploy.helm_chart import MATRIX, ROOT, pod, pods, settings


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A Secret's volume as a kubelet makes it for a pod with an fsGroup: links, and files that their group can read."""
    inner = tmp_path / "secrets" / "..2026_01_01"
    inner.mkdir(parents=True)
    add_key(inner / "keys.json", "somebody")
    generate(inner / "notary.key", tmp_path / "notary.pub", "log.example")
    make_token(inner / "controller.token")
    (tmp_path / "secrets" / "..data").symlink_to(inner.name)
    for file in list(inner.iterdir()):
        file.chmod(0o440)
        (tmp_path / "secrets" / file.name).symlink_to(Path("..data") / file.name)
    return tmp_path / "secrets"


def _read(folder: Path) -> None:
    read_keys(folder / "keys.json")
    FileKey(folder / "notary.key")
    read_token(folder / "controller.token")


def test_private_files_are_copied_for_their_reader(secret: Path, tmp_path: Path) -> None:
    """A Secret's own files are refused; the init container's command makes copies that are taken, and does so again."""
    for read in (
        lambda: read_keys(secret / "keys.json"),
        lambda: FileKey(secret / "notary.key"),
        lambda: read_token(secret / "controller.token"),
    ):
        with pytest.raises((ConfigError, KeyRefused), match="others"):
            read()
    copies = tmp_path / "keys"
    copies.mkdir()
    shell, flag, script = pod("minimal", "notary").container("keys")["command"]
    script = script.replace("/run/affiant/secrets", str(secret)).replace("/run/affiant/keys", str(copies))
    for _ in range(2):  # a pod's sandbox may be made again
        subprocess.run([shell, flag, script], check=True)
        assert sorted(each.name for each in copies.iterdir()) == [
            "controller.token",
            "keys.json",
            "notary.key",
        ]
        _read(copies)


def test_a_changed_secret_is_copied_again(secret: Path, tmp_path: Path) -> None:
    """An API key that was ended in the Secret is ended in the copy, of mode 0600 as before, and the probe sees whether
    it is; what the container does not follow stays; it ends when it is told to.
    """
    copies = tmp_path / "keys"
    copies.mkdir()
    subprocess.run(["install", "-m", "0600", *(secret / "..data").iterdir(), copies], check=True)
    (copies / "keys.json").unlink()
    (copies / "notary.key").write_bytes(b"as it was")
    follower = pod("minimal", "gateway").container("key-follower")

    def here(script: str) -> str:
        return script.replace("/run/affiant/secrets", str(secret)).replace("/run/affiant/keys", str(copies))

    def well() -> bool:
        probe = [here(each) for each in follower["livenessProbe"]["exec"]["command"]]
        return subprocess.run(probe, check=False).returncode == 0

    def change(name: str) -> None:
        """As a kubelet does: a folder beside, and one link that is replaced."""
        after = secret / name
        shutil.copytree(secret / "..data", after)
        (after / "keys.json").chmod(0o600)
        remove_key(after / "keys.json", "somebody")
        (after / "keys.json").chmod(0o440)
        (secret / "..new").symlink_to(name)
        (secret / "..new").rename(secret / "..data")

    shell, flag, script = follower["command"]
    with Process(
        [shell, flag, here(script).replace("sleep 10", "sleep 0.1")], log=tmp_path / "log", name="follower"
    ) as running:
        running.wait_until(well, what="the first copy")
        assert [name for name, _ in list_keys(copies / "keys.json")] == ["somebody"]
        change("..2026_02_02")
        running.wait_until(lambda: not list_keys(copies / "keys.json"), what="the next")
        assert well()
        assert (copies / "notary.key").read_bytes() == b"as it was"
        assert running.stop() == 0


def test_new_payload_keys_are_with_who_reads_before_a_gateway_writes() -> None:
    """Pods hear of a changed Secret at different times: monitors and controllers follow it, a gateway has it when it
    starts again.
    """
    followed = {
        name: "payload-keys.json" in pod("bank", name).container("key-follower")["command"][2]
        for name in ("gateway", "monitor", "controller")
    }
    assert followed == {"gateway": False, "monitor": True, "controller": True}


def test_a_volume_whose_modes_are_changed_at_each_mount_ends_a_journal(tmp_path: Path) -> None:
    """Why fsGroupChangePolicy is OnRootMismatch: with Always the kubelet gives the group what is the owner's alone."""
    write_journal(tmp_path, [b"one"])
    for file in tmp_path.rglob("*"):
        file.chmod(file.stat().st_mode | 0o660)
    with pytest.raises(JournalError, match="others can read or change it"):
        write_journal(tmp_path, [b"two"], settings=JournalSettings())


@pytest.mark.parametrize("name", MATRIX)
def test_who_ships_journals_cannot_sign_them(name: str) -> None:
    """Where the settings have the journals' keys, the gateway has its volume, and the sidecar nothing of it; what is
    signed it reads, and can neither write nor exchange.
    """
    of = pod(name, "gateway")
    tables = settings(name, "gateway")
    keys, data = Path(tables["journal"]["key_directory"]), Path(tables["data"]["directory"])
    (whole,) = [each for each in of.container("gateway")["volumeMounts"] if each["name"] == "data"]
    parts = [each for each in of.container("sidecar")["volumeMounts"] if each["name"] == "data"]
    assert "subPath" not in whole
    volume = Path(whole["mountPath"])
    assert {keys, data} < {volume / each for each in ("journal-keys", "data", "journals")}
    assert {each["mountPath"]: (each["subPath"], each.get("readOnly", False)) for each in parts} == {
        str(data): (data.name, False),
        str(data / "journals"): (f"{data.name}/journals", True),
    }
    assert not [each for each in parts if keys.is_relative_to(each["mountPath"])]
    order = [each["name"] for _, each in of.containers()]
    assert order.index("journal-keys") < order.index("sidecar")
    for job in pods(name):
        if job.component == "drain":
            assert [each["name"] for _, each in job.containers()] == ["journal-keys", "drain"]


def test_keys_that_lay_beside_their_journals_are_moved_once(tmp_path: Path) -> None:
    """By a pod's first start with this chart, again where that was ended half-way; a journal goes on with its key. One
    that lies there later, by who carries journals, is nobody's.
    """
    shell, flag, script = pod("minimal", "gateway").container("journal-keys")["command"]
    script = script.replace("/var/lib/affiant", str(tmp_path))
    settings = JournalSettings(key_directory=tmp_path / "journal-keys")
    data = tmp_path / "data"
    for name in ("0", "1"):
        write_journal(data, [b"one"], name=name)
    kept = {name: (data / "journals" / name / "key").read_bytes() for name in ("0", "1")}
    (tmp_path / "journal-keys.new").mkdir(mode=0o700)
    (data / "journals" / "1" / "key").rename(tmp_path / "journal-keys.new" / "1")
    for _ in range(2):
        subprocess.run([shell, flag, script], check=True)
        assert {each.name: each.read_bytes() for each in (tmp_path / "journal-keys").iterdir()} == kept
        (data / "journals" / "0" / "key").write_bytes(bytes(32))
    for name in ("0", "1"):
        write_journal(data, [b"two"], name=name, settings=settings)
    assert (tmp_path / "journal-keys").stat().st_mode & 0o777 == 0o700


def test_keys_are_moved_back_for_the_version_before(tmp_path: Path) -> None:
    """By the documented command, after a `helm rollback`: its journals go on with their keys. Nothing is put over a key
    that is there; where no key was moved nothing happens; and the next upgrade moves them again.
    """
    shell, flag, script = pod("minimal", "gateway").container("journal-keys")["command"]
    documented = (ROOT / "docs" / "kubernetes.md").read_text().partition("**No plain `helm rollback`**")[2]
    (found,) = re.findall(r"--container sidecar -- sh -ec '([^']+)'", documented)
    forth, back = (each.replace("/var/lib/affiant", str(tmp_path)) for each in (script, found))
    data, keys = tmp_path / "data", tmp_path / "journal-keys"
    for name in ("0", "1"):
        write_journal(data, [b"one"], name=name)
    kept = [(data / "journals" / name / "key").read_bytes() for name in ("0", "1")]
    for begun in (keys, keys.with_suffix(".new")):
        subprocess.run([shell, flag, back], check=True)
        subprocess.run([shell, flag, forth], check=True)
        keys.rename(begun)
        subprocess.run([shell, flag, back], check=True)
        assert [(data / "journals" / name / "key").read_bytes() for name in ("0", "1")] == kept
        assert not list(tmp_path.glob("journal-keys*"))
        for name in ("0", "1"):
            write_journal(data, [b"two"], name=name)
    subprocess.run([shell, flag, forth], check=True)
    other = data / "journals" / "0" / "key"
    other.write_bytes(bytes(32))
    assert subprocess.run([shell, flag, back], check=False, capture_output=True).returncode != 0
    assert (other.read_bytes(), (keys / "0").read_bytes()) == (bytes(32), kept[0])


def test_a_notary_whose_key_is_elsewhere_has_none() -> None:
    """No Secret, no copy of one, and no file in its settings: a command signs."""
    of = pod("tls", "notary")
    assert [each["name"] for _, each in of.containers()] == ["notary"]
    assert not {"secrets", "keys"} & set(of.volumes())
    table = settings("tls", "notary")["notary"]
    assert table["signer_command"] == ["/opt/bank/notary-kms", "--key", "notary-2026"]
    assert "key_file" not in table
    assert "signer_command" not in settings("tls", "gateway")["notary"]
