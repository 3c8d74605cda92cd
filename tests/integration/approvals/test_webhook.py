"""The webhook, against a real HTTP server: what is sent, how often, and that its address is told to nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from audit.errors import ConfigError
from cli.approvals_webhook import announce
from registry.approvals.webhook import PAUSES, NotSent, awaited, send, webhook_url
from registry.stores import configured_store
from tests.components.approvals import House, affiant
from tests.components.packages import number_package
from tests.components.ports import free_port

SECRET = "B0SECRETPART"


class Hook:
    """A server that answers with the statuses it is given, the last one for ever."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.got: list[tuple[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.path, json.loads(raw)))
                status = hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0]
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/{SECRET}"


@pytest.fixture
def hook() -> Iterator[Hook]:
    """Running."""
    found = Hook()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def hooked(house: House, url: str) -> House:
    """A house whose settings name a webhook."""
    house.file("hook.txt").write_text(url + "\n")
    settings = house.file("affiant.toml")
    settings.write_text(settings.read_text() + 'webhook_url_file = "hook.txt"\n')
    return house


def test_an_approval_that_leaves_others_missing_tells_them(judged: House, hook: Hook) -> None:
    """In Slack's shape, with what is missing and the command; the last signature tells nobody."""
    hooked(judged, hook.url)
    done = judged.sign("approve", "dan", "legal")
    assert done.code == 0
    ((path, message),) = hook.got
    assert path == f"/services/{SECRET}"
    assert message["text"] == "credit waits for signatures for credit: 1 × compliance"
    kinds = [block["type"] for block in message["blocks"]]
    assert kinds == ["section", "section", "section", "context"]
    text = json.dumps(message, ensure_ascii=False)
    assert "dan (legal)" in text
    assert f"affiant approve {judged.digest} --service credit --role compliance" in text
    assert judged.sign("approve", "bob", "compliance").json["admitted"]
    assert len(hook.got) == 1


def test_gates_that_passed_tell_who_is_awaited(house: House, hook: Hook) -> None:
    """Signed ones; failed ones tell why, those of somebody's own look tell nobody."""
    hooked(house, hook.url)
    house.file("documents.yaml").write_text(
        "\n".join(
            f"{key}: What people wrote of it, long enough."
            for key in ("purpose", "owners", "bias_notes", "privacy_flags", "data_sheet")
        )
    )
    words = ("gate", "run", house.digest, "--service", "credit", *house.config)
    documents, key = ("--documents", house.file("documents.yaml")), ("--key", house.key("pipeline"))
    assert affiant(*words, *documents).code == 0
    assert affiant(*words).code == 1
    assert hook.got == []
    assert affiant(*words, *key).code == 1
    ((_, message),) = hook.got
    assert message["text"] == "credit did not pass its gates for credit: documentation"
    assert "no documents were given" in json.dumps(message["blocks"][1])
    assert house.digest in json.dumps(message["blocks"][2])
    hook.got.clear()
    assert affiant(*words, *documents, *key).code == 0
    ((_, message),) = hook.got
    assert message["text"] == "credit waits for signatures for credit: 1 × compliance, 1 × legal"


@pytest.mark.parametrize("answer", [500, 404, 302, None])
def test_a_webhook_that_does_not_take_it_is_a_warning(
    judged: House, hook: Hook, answer: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The approval stands; the warning, the output and the log have no part of the address."""
    monkeypatch.setattr("registry.approvals.webhook.PAUSES", ())
    hook.statuses = [answer or 200]
    url = hook.url if answer else f"http://127.0.0.1:{free_port()}/services/{SECRET}"
    done = hooked(judged, url).sign("approve", "dan", "legal")
    assert done.code == 0
    assert "warning: the webhook did not take the message" in done.err
    assert len(hook.got) == (1 if answer else 0)
    assert SECRET not in done.out + done.err
    said = next((judged.file("data") / "log-governance").rglob("*.log")).read_bytes()
    assert SECRET.encode() not in said


def test_a_damaged_store_fails_nothing_that_was_signed(
    judged: House, hook: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another package's manifest is wrong: the message goes out. This one's bytes are: that nobody is told is said."""
    hooked(judged, hook.url)
    store = configured_store(judged.loaded)
    other = store.push(number_package())
    blobs = judged.file("data") / "store" / "blobs" / "sha256"
    (blobs / other[7:]).write_bytes(b"damaged")
    done = judged.sign("approve", "dan", "legal")
    assert (done.code, done.json["signed"]) == (0, True)
    assert [message["text"] for _, message in hook.got] == [
        "credit waits for signatures for credit: 1 × compliance"
    ]
    (blobs / judged.digest[7:]).write_bytes(b"damaged")
    capsys.readouterr()
    assert not announce(judged.loaded, "credit", judged.digest)
    assert "nobody was told that a signature is awaited" in capsys.readouterr().err


def test_it_is_tried_three_times_and_no_more(hook: Hook) -> None:
    """With the pauses between, when the server may take it later; what it refuses for good, once."""
    slept: list[float] = []
    hook.statuses = [503, 429, 200]
    send(hook.url, {"text": "x"}, sleep=slept.append)
    assert (len(hook.got), slept) == (3, list(PAUSES))
    hook.statuses = [503]
    with pytest.raises(NotSent) as told:
        send(hook.url, {"text": "x"}, sleep=slept.append)
    assert len(hook.got) == 6
    assert SECRET not in str(told.value)
    hook.statuses = [400]
    with pytest.raises(NotSent, match="400"):
        send(hook.url, {"text": "x"}, sleep=slept.append)
    assert len(hook.got) == 7


def test_a_redirect_is_not_followed(hook: Hook) -> None:
    """It would show the message to somebody else."""
    hook.statuses = [302]
    with pytest.raises(NotSent, match="302"):
        send(hook.url, {"text": "x"}, sleep=lambda _: None)
    assert [path for path, _ in hook.got] == [f"/services/{SECRET}"]


def test_the_address_comes_from_a_file_or_a_variable(house: House, hook: Hook) -> None:
    """What is no address is refused without being repeated."""
    file = house.file("hook.txt")
    assert webhook_url(None, None, {}) is None
    assert webhook_url(None, "HOOK", {"HOOK": hook.url}) == hook.url
    for text in (
        SECRET,
        f"ftp://{SECRET}",
        f"http://h/{SECRET}\nX: y",
        f"http://h:port/{SECRET}",
        f"http://[{SECRET}",
    ):
        file.write_text(text)
        with pytest.raises(ConfigError) as told:
            webhook_url(file, None, {})
        assert SECRET not in str(told.value)
    with pytest.raises(ConfigError, match="HOOK is not set"):
        webhook_url(None, "HOOK", {})


def test_what_others_wrote_is_text_in_the_message() -> None:
    """A package's name calls nobody, and formats nothing."""
    message = awaited("credit", "sha256:00", "<!channel> *now* `x`\n&", {"legal": 1}, [], "2 passed")
    text = json.dumps(message)
    assert "<!channel>" not in text
    assert message["text"].startswith("&lt;!channel&gt; ∗now∗ 'x' &amp; waits")


def test_a_policy_that_waits_tells_who_must_sign(house: House, hook: Hook) -> None:
    """The last signature tells nobody."""
    hooked(house, hook.url)
    text = house.file("policy.yaml").read_text().replace("valid_days: 10", "valid_days: 5")
    house.file("policy2.yaml").write_text(text)
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        house.ok(
            "policy", "propose", house.file("policy2.yaml"), "--role", role, "--rationale", "shorter", "--key",
            house.key(person), "--yes", *house.config,
        )  # fmt: skip
    ((_, message),) = hook.got
    assert message["text"] == "Policy version 2 waits for signatures: 1 × compliance"
    assert "dan (legal)" in json.dumps(message)


def test_a_message_stays_within_what_slack_takes() -> None:
    """However long a name, and however many roles."""
    missing = {f"role-{number:04}": 1 for number in range(1000)}
    message = awaited(
        "credit", "sha256:" + "0" * 64, "x" * 5000, missing, [("legal", "y" * 5000)], "z" * 5000
    )
    texts = [block["text"]["text"] for block in message["blocks"] if "text" in block]
    texts += [each["text"] for block in message["blocks"] for each in block.get("elements", [])]
    fields = [each["text"] for block in message["blocks"] for each in block.get("fields", [])]
    assert max(map(len, [message["text"], *texts])) <= 3000
    assert max(map(len, fields)) <= 2000


def test_one_webhook_is_named_once(house: House) -> None:
    """File and variable together are a mistake of the settings."""
    settings = hooked(house, "http://127.0.0.1/x").file("affiant.toml")
    settings.write_text(settings.read_text() + 'webhook_url_variable = "HOOK"\n')
    done = house.status()
    assert (done.code, "set one of them" in done.err) == (2, True)
