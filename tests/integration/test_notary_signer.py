"""A notary whose key a command has, by its settings; and settings of the notary's that contradict others."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.config import Config, load
from audit.errors import KeyRefused, NotSealed
from audit.log import configured_log
from audit.notary.keys import read_vkey
from audit.notary.signers import make_key
from audit.sealed import SealedTree, TreeId
from audit.trees import configured_trees
from cli.notary import configured_notary
from cli.tables import problems
from cli.up import need_key
from tests.components.process import wait_until
from tests.components.sworn import two_epochs

PUBLIC = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
KMS = """
import pathlib, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
key, away = Ed25519PrivateKey.from_private_bytes(bytes(32)), pathlib.Path(__file__).with_name("away")
if sys.argv[1] == "public":
    print(__import__("base64").b64encode(key.public_key().public_bytes_raw()).decode())
elif away.exists():
    away.unlink()
    sys.exit("throttled")
else:
    sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read()))
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings whose key a command has."""
    (tmp_path / "kms.py").write_text(KMS)
    path = tmp_path / "affiant.toml"
    path.write_text(
        f'[notary]\nmetrics_port = 0\nseal_seconds = 0.1\nsigner_command = ["{sys.executable}", "{tmp_path}/kms.py"]\n'
    )
    return path


def test_a_notary_seals_with_a_key_that_it_never_sees(config: Path) -> None:
    """The command is asked for the public half; a throttled call is made again; anybody's verifier takes the note."""
    loaded = load(config)
    with pytest.raises(KeyRefused, match="notary keygen"):
        need_key(loaded)
    vkey = make_key(loaded)
    assert vkey.public_key == PUBLIC
    assert make_key(loaded) == vkey == read_vkey(config.parent / "notary.pub")
    assert not (config.parent / "notary.key").exists()
    need_key(loaded)
    log = configured_log(loaded)
    writer = log.writer(0)
    for key, value in two_epochs(4).values:
        writer.send(value or b"", key)
    writer.close()
    (config.parent / "away").touch()
    tree = SealedTree(configured_trees(loaded).objects, TreeId("affiant.local", log.topic().id, 0), PUBLIC)
    stop = threading.Event()
    thread = threading.Thread(target=configured_notary(loaded).run, args=(stop,), daemon=True)
    thread.start()

    def size() -> int:
        try:
            return tree.published().size
        except NotSealed:
            return 0

    wait_until(lambda: size() == 9, what="all is sealed")
    assert not (config.parent / "away").exists()
    stop.set()
    thread.join()


def test_the_check_of_settings_says_what_the_notary_would() -> None:
    """`config check`, and `up`: payloads in the clear would be locked."""
    table = {"store": "s3://locked", "object_lock": True}
    (said,) = problems(Config(Path("affiant.toml"), {"notary": table}))
    assert "[notary] object_lock = true would hold payloads that are in the clear" in said
