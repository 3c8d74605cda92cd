"""One contract, three stores: a directory, and a bucket of a real S3 server, with Object Lock and without."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from audit.errors import ConfigError, ObjectChanged, ObjectsUnavailable
from audit.objects import Objects, open_objects
from audit.objects.base import Marking, Removes, Seekable
from audit.objects.limits import MAX_OBJECT, NoObject
from audit.proof.tiles import MAX_BUNDLE, MAX_TILE
from tests.components.s3 import S3Server

BAD_NAMES = [
    "", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", ".a", "a/.b", "a b", "a\n", "a\0", "a\\b", "ä", "a*",
    "a" * 201, "/".join(["abcd"] * 200),
]  # fmt: skip
BAD_PREFIXES = ["/", "a//", "../", "a/../", ".a", "a b"]

# Each process takes the object as it is, adds its own line, and tries again when another was faster.
CONTENDER = """
import sys
from pathlib import Path
from audit.errors import ObjectChanged
from audit.objects import open_objects
url, name, wins = sys.argv[1], sys.argv[2], int(sys.argv[3])
objects = open_objects(url, base=Path())
print("here", flush=True)
sys.stdin.readline()
lost = won = 0
while won < wins:
    stored = objects.get("place/counter")
    content, version = stored or (b"", None)
    try:
        objects.swap("place/counter", content + f"{name} {won}\\n".encode(), version)
    except ObjectChanged:
        lost += 1
        continue
    won += 1
print(lost)
"""
CREATOR = """
import sys
from pathlib import Path
from audit.objects import open_objects
objects = open_objects(sys.argv[1], base=Path())
sys.stdin.readline()
print(*[number for number in range(40) if objects.create(f"once/{number:03d}", sys.argv[2].encode() * 3000)])
"""


@dataclass
class Place:
    """A store, how to open it again, and what another process needs to open it."""

    url: str
    folder: Path
    """Where its objects lie as files."""
    environment: dict[str, str] = field(default_factory=dict)

    def raw(self, name: str) -> bytes:
        """The object, past the store."""
        return (self.folder / name).read_bytes()

    @property
    def objects(self) -> Objects:
        """A client without memory."""
        return open_objects(self.url, base=Path("/nowhere"))

    def process(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        """Another process, which finds its keys in the environment."""
        return subprocess.Popen(
            [sys.executable, "-c", code, self.url, *arguments],
            env={**os.environ, **self.environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip


@pytest.fixture(params=["directory", "s3", "s3_locked"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An empty store of each kind."""
    if request.param == "directory":
        root = tmp_path / "objects"
        return Place(str(root), root)
    bucket = request.getfixturevalue(request.param)
    environment = bucket.environment()
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    return Place(f"s3://{bucket.name}/sealed/here", bucket.folder / "sealed" / "here", environment)


def test_what_was_created_is_read_by_another(place: Place) -> None:
    """Byte for byte, with a version that stays while the content does."""
    assert place.objects.get("a/b") is None
    for name, content in (("a/b", b""), ("a/c.p/1", bytes(range(256)) * 9), ("topic=1/x_y-z", b"z")):
        assert place.objects.create(name, content)
        stored = place.objects.get(name)
        assert stored is not None
        assert stored.content == content
        assert stored == place.objects.get(name)
        assert place.raw(name) == content


def test_an_object_is_created_once(place: Place) -> None:
    """The second is told so, and the first stays: with the same content too."""
    assert place.objects.create("a/b", b"first")
    assert not place.objects.create("a/b", b"second")
    assert not place.objects.create("a/b", b"first")
    assert place.raw("a/b") == b"first"


def test_an_object_that_was_written_again_has_another_mark(place: Place) -> None:
    """Of as many bytes, too; the others keep theirs, in the order of the names that are wanted."""
    objects = place.objects
    assert isinstance(objects, Marking)
    for name in ("a/3", "a/1", "a/2", "b/1"):
        assert objects.create(name, b"before")
    before = dict(objects.marks("a/", lambda name: name != "a/2"))
    stored = objects.get("a/1")
    assert stored is not None
    objects.swap("a/1", b"after!", stored.version)
    again = place.objects
    assert isinstance(again, Marking)
    after = dict(again.marks("a/", lambda name: name != "a/2"))
    assert list(before) == list(after) == ["a/1", "a/3"]
    assert (before["a/1"] == after["a/1"], before["a/3"] == after["a/3"]) == (False, True)


def test_a_swap_wants_the_version_that_is_there(place: Place) -> None:
    """None when there is none; what was read, or what the last swap gave; nothing changes when it is refused."""
    objects = place.objects
    with pytest.raises(ObjectChanged):
        objects.swap("a", b"0", "no version at all")
    assert objects.get("a") is None
    first = objects.swap("a", b"1", None)
    with pytest.raises(ObjectChanged):
        objects.swap("a", b"2", None)
    stored = place.objects.get("a")
    assert stored is not None
    assert stored == (b"1", first)
    second = place.objects.swap("a", b"2", stored.version)
    for stale in (first, None, "no version at all"):
        with pytest.raises(ObjectChanged):
            objects.swap("a", b"3", stale)
    assert objects.get("a") == (b"2", second)
    assert objects.swap("a", b"3", second) not in (first, second)


def test_created_objects_can_be_swapped_and_swapped_ones_not_created(place: Place) -> None:
    """One kind of object: how it came to be is no part of it."""
    assert place.objects.create("a", b"1")
    stored = place.objects.get("a")
    assert stored is not None
    place.objects.swap("a", b"2", stored.version)
    assert not place.objects.create("a", b"3")
    assert place.raw("a") == b"2"


def test_what_is_removed_is_not_there_and_others_are(place: Place) -> None:
    """Nor is what never was; under a lock, behind a marker, its version stays (docs/archive.md)."""
    objects = place.objects
    assert isinstance(objects, Removes)
    assert objects.create("a/b", b"1")
    assert objects.create("a/bc", b"2")
    for name in ("a/b", "a/b", "nowhere/x"):
        objects.remove(name)
    assert place.objects.get("a/b") is None
    assert list(place.objects.list("")) == ["a/bc"]


def test_names_are_listed_in_the_order_of_their_bytes(place: Place) -> None:
    """All of a prefix, whether or not it ends at a slash, and nothing but objects."""
    names = ["t/0/000", "t/0/000.p/1", "t/0/000.p/255", "t/0/x001/000", "t/00", "t/entries/000", "t-/1", "u"]
    assert list(place.objects.list("")) == []
    assert list(place.objects.list("t/")) == []
    for name in reversed(names):
        place.objects.create(name, name.encode())
    place.objects.swap("t/state", b"", None)
    names = sorted([*names, "t/state"])
    for prefix in (
        "",
        "t",
        "t/",
        "t/0",
        "t/0/000.p/",
        "t/0/000.p/2",
        "u",
        "v",
        "t/0/x001/000",
        "t/0/x001/000/",
    ):
        assert list(place.objects.list(prefix)) == [each for each in names if each.startswith(prefix)], prefix


def test_no_name_leaves_the_store(place: Place) -> None:
    """What a store could take for another place, or for its own bookkeeping, is refused before it is asked."""
    objects = place.objects
    for name in BAD_NAMES:
        for refused in (
            lambda name=name: objects.get(name),
            lambda name=name: objects.create(name, b""),
            lambda name=name: objects.swap(name, b"", None),
            lambda name=name: objects.remove(name),
        ):
            with pytest.raises(ValueError, match="cannot name"):
                refused()
    for prefix in BAD_PREFIXES:
        with pytest.raises(ValueError, match="cannot begin"):
            list(objects.list(prefix))
    assert list(objects.list("")) == []


def test_of_many_that_swap_at_once_one_wins_each_time(place: Place) -> None:
    """Processes that add to one object lose no addition and see none twice."""
    names, wins = ["a", "b", "c", "d"], 12
    processes = [place.process(CONTENDER, name, str(wins)) for name in names]
    for process in processes:  # all are there before one begins, else they might not meet
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    lost = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(names)
    lines = place.raw("place/counter").decode().splitlines()
    for name in names:
        assert [line for line in lines if line.startswith(name)] == [
            f"{name} {number}" for number in range(wins)
        ]
    assert len(lines) == wins * len(names)
    assert sum(lost) > 0, "they did not meet"


def test_of_many_that_create_at_once_one_succeeds(place: Place) -> None:
    """Each object is one process's, whole."""
    names = ["a", "b", "c"]
    processes = [place.process(CREATOR, name) for name in names]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    made = {
        name: set(map(int, process.communicate(timeout=120)[0].split()))
        for name, process in zip(names, processes, strict=True)
    }
    assert sorted(number for numbers in made.values() for number in numbers) == list(range(40))
    for name, numbers in made.items():
        assert all(place.raw(f"once/{number:03d}") == name.encode() * 3000 for number in numbers)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("t/0/tile/0/000", MAX_TILE),
        ("t/0/tile/entries/000.p/7", MAX_BUNDLE),
        ("archive/x.parquet", MAX_OBJECT),
    ],
)
def test_what_is_larger_than_an_object_of_its_name_is_refused_unread(
    place: Place, name: str, limit: int
) -> None:
    """A stranger's store may hold anything: for a verifier it is a flaw, for a writer a store of no use."""
    objects = place.objects
    assert objects.create(name, b"some")  # the server makes its folders
    os.truncate(place.folder / name, limit + 1)
    assert isinstance(objects, Seekable)
    for use in (objects.get, objects.open):
        with pytest.raises(NoObject, match=f"{limit + 1} bytes, at most {limit} belong there") as caught:
            use(name)
        assert Path(name).name in str(caught.value)
    os.truncate(place.folder / name, min(limit, MAX_BUNDLE))
    stored, opened = objects.get(name), objects.open(name)
    assert stored is not None
    assert opened is not None
    opened.close()
    assert len(stored.content) == min(limit, MAX_BUNDLE)


def test_a_directory_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    """The system's own words, and the path."""
    (tmp_path / "file").write_bytes(b"")
    objects = open_objects("file", base=tmp_path)
    assert objects.get("a") is None
    for use in (lambda: objects.create("a", b""), lambda: objects.swap("a", b"", None)):
        with pytest.raises(ObjectsUnavailable, match="file"):
            use()


def test_a_server_that_is_gone_is_unavailable(own_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said with the bucket's name, and without a key."""
    bucket = own_s3.bucket("gone")
    for key, value in bucket.environment().items():
        monkeypatch.setenv(key, value)
    objects = open_objects("s3://gone/x", base=Path())
    assert objects.create("a", b"1")
    own_s3.kill()
    uses: list[Callable[[], object]] = [
        lambda: objects.get("a"), lambda: objects.create("b", b""), lambda: objects.swap("a", b"", None),
        lambda: list(objects.list("")),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(ObjectsUnavailable, match="s3://gone/x") as caught:
            use()
        assert bucket.secret_key not in str(caught.value)
    own_s3.start()
    assert objects.get("a") is not None


def test_a_key_that_is_refused_is_unavailable(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong secret, and a bucket that is not there: neither is an absent object."""
    for key, value in s3.environment().items():
        monkeypatch.setenv(key, value)
    absent = open_objects("s3://no-such-bucket/x", base=Path())
    uses: list[Callable[[], object]] = [
        lambda: absent.get("a"), lambda: absent.create("a", b""), lambda: list(absent.list("")),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(ObjectsUnavailable):
            use()
    with pytest.raises(
        ObjectChanged
    ):  # nothing to compare with: what uses it looks, and gets the error above
        absent.swap("a", b"", "version")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    objects = open_objects(f"s3://{s3.name}", base=Path())
    with pytest.raises(ObjectsUnavailable):
        objects.get("a")


def test_urls_say_where_and_never_with_which_key(s3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An endpoint may stand in the URL; a key, a user or an unknown option is refused, and not repeated."""
    for key in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    url = f"s3://{s3.name}/p?endpoint={s3.endpoint}&region={s3.region}&allow_http=true"
    assert open_objects(url, base=tmp_path).create("a", b"1")
    assert (s3.folder / "p" / "a").read_bytes() == b"1"
    for wrong in (
        "s3://bucket/p?secret_access_key=SECRET",
        "s3://key:SECRET@bucket/p",
        "s3://bucket/p#SECRET",
    ):
        with pytest.raises(ConfigError) as caught:
            open_objects(wrong, base=tmp_path)
        assert "SECRET" not in str(caught.value)
    for wrong in (
        "s3:///p",
        "s3://bucket/../p",
        "gs://bucket/p",
        "file://host/p",
        "http://host/p",
        "s3://b?region=x&q=",
    ):
        with pytest.raises(ConfigError):
            open_objects(wrong, base=tmp_path)


def test_a_directory_is_a_path_or_a_file_url(tmp_path: Path) -> None:
    """Relative to the settings file's folder."""
    open_objects("in/here", base=tmp_path).create("a", b"1")
    assert (tmp_path / "in" / "here" / "a").read_bytes() == b"1"
    assert open_objects((tmp_path / "in" / "here").as_uri(), base=Path("/nowhere")).get("a") is not None
