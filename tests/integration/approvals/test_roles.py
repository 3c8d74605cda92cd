"""Roots by the command: drafts, signatures, what follows what, and how it comes into force."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest

from tests.components.approvals import ROLES, Done, House, affiant


def signed(house: House, name: str, *people: str) -> Path:
    """A draft, signed by these."""
    for person in people:
        house.ok("roles", "sign", house.file(name), "--key", house.key(person), "--yes")
    return house.file(name)


def edited(house: House, *options: object, before: str = "root.json", after: str = "root2.json") -> Done:
    """The next root's draft."""
    return affiant("roles", "edit", house.file(before), house.file(after), *options)


def published(house: House, name: str = "root2.json", person: str = "eve") -> Done:
    """Put into the log, by anybody who can."""
    return affiant(
        "roles", "publish", house.file(name), "--key", house.key(person), "--yes", "--json", *house.config
    )


def test_keygen_prints_the_key_id(house: House) -> None:
    """And the same as JSON; nothing is overwritten."""
    done = house.ok("roles", "keygen", house.file("fay.key"), "--person", "fay", "--json")
    assert (
        done.json["id"] in affiant("roles", "keygen", house.file("gus.key"), "--person", "gus").out
        or done.json
    )
    assert json.loads(house.file("fay.key.pub").read_text())["public"] == done.json["public"]
    again = affiant("roles", "keygen", house.file("fay.key"), "--person", "fay")
    assert (again.code, "there already" in again.err) == (2, True)


def test_two_people_whose_names_differ_only_in_writing_are_not_signed_for(house: House) -> None:
    """Neither by a draft that the command makes, nor by one that somebody has written."""
    house.ok("roles", "keygen", house.file("two.key"), "--person", "Ann")
    done = edited(house, "--add-key", house.file("two.key.pub"))
    assert (done.code, "differ only in how they are written" in done.err) == (2, True)
    assert edited(house, "--add-key", house.file("eve.key.pub")).code == 0
    draft = house.file("root2.json")
    draft.write_text(draft.read_text().replace('"eve"', '"ANN"'))
    done = affiant("roles", "sign", draft, "--key", house.key("ann"), "--yes")
    assert (done.code, "'ANN' and 'ann' differ only" in done.err) == (2, True)


def test_a_passphrase_comes_from_the_environment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never from the command line; without it, and without a terminal, the key does not sign."""
    monkeypatch.setenv("AFFIANT_KEY_PASSPHRASE", "long words")
    house.ok("roles", "keygen", house.file("fay.key"), "--person", "fay", "--passphrase")
    edited(house, "--add-key", house.file("fay.key.pub"), "--role", "root=2:ann,bob,fay")
    sign = ("roles", "sign", house.file("root2.json"), "--key", house.file("fay.key"), "--yes")
    monkeypatch.delenv("AFFIANT_KEY_PASSPHRASE")
    done = affiant(*sign)
    assert (done.code, "AFFIANT_KEY_PASSPHRASE" in done.err) == (2, True)
    monkeypatch.setenv("AFFIANT_KEY_PASSPHRASE", "other words")
    done = affiant(*sign)
    assert (done.code, "the passphrase is wrong" in done.err, "other words" in done.err) == (2, True, False)
    monkeypatch.setenv("AFFIANT_KEY_PASSPHRASE", "long words")
    assert affiant(*sign).code == 0


@pytest.mark.parametrize(
    ("roles", "code", "why"),
    [
        (["root=ann"], 0, ""),
        (["root=2:ann"], 2, "1 people cannot reach 2"),
        (["legal=ann"], 2, "there is no role root"),
        (["root=ann", "legal=zoe"], 2, "no key of 'zoe'; there are ann, bob"),
        (["root=ann", "root=bob"], 2, "root is there twice"),
        (["root"], 2, "want NAME=PERSON"),
        (["root=x:ann"], 2, "want NAME=PERSON"),
        (["root=ann", "a b=ann"], 2, "pattern"),
        (["root=0:ann"], 2, "at least 1 must sign"),
        (
            ["root=ann", "legal=2:ann,bob"],
            2,
            "for root and policy only; of other roles the policy says it",
        ),
        (["root=ann", "legal=1:ann,bob"], 0, ""),
    ],
)
def test_a_first_root_that_cannot_be_is_refused(house: House, roles: list[str], code: int, why: str) -> None:
    """With what does not fit, and nothing written."""
    keys = [word for person in ("ann", "bob") for word in ("--key", f"{house.key(person)}.pub")]
    words = [word for role in roles for word in ("--role", role)]
    done = affiant("roles", "init", house.file("first.json"), *keys, *words)
    assert (done.code, house.file("first.json").exists()) == (code, code == 0), done
    assert why in " ".join(done.err.replace("│", " ").split())


def test_a_draft_is_read_by_people_and_counts_for_nothing(house: House) -> None:
    """It is plain JSON; as a root it is refused, and nothing is overwritten."""
    assert edited(house, "--remove", "dan").code == 0
    draft = json.loads(house.file("root2.json").read_text())
    assert (draft["version"], {each["person"] for each in draft["keys"].values()}) == (
        2, {"ann", "bob", "cyd", "pipeline"},
    )  # fmt: skip
    done = published(house)
    assert (done.code, "is a draft" in done.err) == (2, True)
    assert edited(house, "--remove", "dan").code == 2
    shown = affiant("roles", "show", house.file("root2.json"))
    assert "nobody has signed it" in shown.out


def test_a_root_needs_the_people_of_the_one_before(house: House) -> None:
    """Its own do not do; check says who is missing; publish refuses, and changes nothing."""
    edited(house, "--add-key", f"{house.key('eve')}.pub", "--role", "root=eve")
    signed(house, "root2.json", "eve", "ann")
    done = affiant("roles", "check", house.file("root2.json"), "--json", *house.config)
    assert (done.code, done.json["holds"]) == (1, False)
    assert done.json["signed_by"] == {"version 1": ["ann"], "version 2": ["eve"]}
    assert published(house).code == 1
    signed(house, "root2.json", "bob")
    assert (
        affiant("roles", "check", house.file("root2.json"), "--previous", house.file("root.json")).code == 0
    )
    done = published(house)
    assert (done.code, done.json["version"]) == (0, 2)
    told = affiant("roles", "show", "--json", *house.config).json
    assert [(each["version"], each["offset"]) for each in told] == [(1, None), (2, done.json["offset"])]
    # Published once more, it follows nothing.
    assert published(house).code == 1


def test_a_root_that_was_changed_after_it_was_signed_is_refused(house: House) -> None:
    """One byte of what is signed."""
    edited(house, "--role", "legal=ann")
    path = signed(house, "root2.json", "ann", "bob")
    envelope = json.loads(path.read_text())
    raw = base64.b64decode(envelope["payload"]).replace(b'"person":"dan"', b'"person":"eve"')
    path.write_text(json.dumps(envelope | {"payload": base64.b64encode(raw).decode()}))
    done = published(house)
    assert (done.code, "signed by 0 of the 2 people" in done.err) == (1, True)


def test_a_first_root_is_not_published(house: House) -> None:
    """Gateways are given its file."""
    done = published(house, "root.json")
    assert (done.code, "[governance] root" in done.err) == (2, True)


def test_a_stranger_does_not_sign_a_first_root(house: House) -> None:
    """Their signature would not count."""
    done = affiant("roles", "sign", house.file("root.json"), "--key", house.key("dan"), "--yes")
    assert (done.code, "has not the role root" in done.err) == (2, True)


def test_a_rotated_key_signs_nothing_more_and_what_it_signed_stands(judged: House) -> None:
    """From the log's end when it was rotated, unless another offset is said."""
    assert judged.sign("approve", "dan", "legal").code == 0
    judged.ok("roles", "keygen", judged.file("dan2.key"), "--person", "dan")
    root, draft, new = judged.file("root.json"), judged.file("root2.json"), judged.file("dan2.key.pub")
    done = judged.ok("roles", "rotate", root, draft, "--new", new, "--json", *judged.config)
    assert [each["until"] for each in done.json["keys"].values() if each["person"] == "dan"].count(
        judged.board().end
    ) == 1
    signed(judged, "root2.json", "ann", "bob")
    assert published(judged).code == 0
    assert judged.sign("approve", "bob", "compliance").json["admitted"]
    assert "dan has rotated it" in judged.sign("revoke", "dan").err
    judged.key("dan").unlink()
    judged.file("dan2.key").rename(judged.key("dan"))
    assert judged.sign("revoke", "dan").code == 0


def test_rotation_is_of_a_key_that_is_there(house: House) -> None:
    """Somebody's who is in the root, by its id where they have several."""
    done = affiant(
        "roles", "rotate", house.file("root.json"), house.file("root2.json"), "--new", f"{house.key('eve')}.pub",
        "--until", "0",
    )  # fmt: skip
    assert (done.code, "eve has no such key" in done.err) == (2, True)
    house.ok("roles", "keygen", house.file("new.key"), "--person", "ann")
    done = affiant(
        "roles", "rotate", house.file("root.json"), house.file("root2.json"), "--new", house.file("new.key.pub"),
        "--old", house.signer("bob").id, "--until", "0",
    )  # fmt: skip
    assert (done.code, "ann has no such key" in done.err) == (2, True)


def test_who_leaves_takes_their_approvals_along(judged: House) -> None:
    """A key that is taken out counts for nothing, from the first offset on."""
    judged.sign("approve", "dan", "legal")
    assert judged.sign("approve", "bob", "compliance").json["admitted"]
    assert edited(judged, "--remove", "dan").code == 0
    signed(judged, "root2.json", "ann", "bob")
    assert published(judged).code == 0
    assert judged.status().code == 1
    assert "the root does not know it" in judged.sign("approve", "dan", "legal").err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--remove", "zoe"], "nobody, and no key, called 'zoe'"),
        (["--drop-role", "nosuch"], "there is no role nosuch"),
        (["--remove", "ann", "--remove", "bob"], "role root: 0 people cannot reach 2"),
        (["--drop-role", "root"], "there is no role root"),
    ],
)
def test_an_edit_that_cannot_be_is_refused(house: House, options: list[str], why: str) -> None:
    """With what does not fit."""
    done = edited(house, *options)
    assert (done.code, why in done.err) == (2, True), done


def test_a_new_key_of_somebody_joins_their_roles(house: House) -> None:
    """A second key, for a second machine."""
    house.ok("roles", "keygen", house.file("new.key"), "--person", "dan", "--json")
    done = edited(house, "--add-key", house.file("new.key.pub"), "--json")
    new = [name for name, each in done.json["keys"].items() if each["person"] == "dan"]
    assert len(new) == 2
    assert all(set(new) <= set(done.json["roles"][role]["keys"]) for role in ("legal", "officer"))


def test_what_a_root_file_says_steers_no_terminal(house: House) -> None:
    """A name with an escape, in a draft that a stranger sends."""
    draft = json.loads(affiant("roles", "show", house.file("root.json"), "--json").out)
    content = {name: draft[name] for name in ("version", "previous", "keys", "roles")}
    for key in content["keys"].values():
        key["person"] += "\x1b[31m\nx"
    house.file("draft.json").write_text(json.dumps(content))
    done = affiant("roles", "show", house.file("draft.json"))
    assert (done.code, "\x1b" in done.out) == (0, False)
    assert "ann�[31m�x" in done.out
    assert len(ROLES) == len(content["roles"])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"payload": 1}', '{"version": 1}', "[" * 100_000])
def test_what_is_no_root_is_refused(house: House, content: str) -> None:
    """A clear line, and no traceback."""
    house.file("x.json").write_text(content)
    done = affiant("roles", "show", house.file("x.json"))
    assert (done.code, done.err.count("\n")) == (1, 1)


def test_who_signs_a_root_sees_what_it_changes(house: House) -> None:
    """Against the one in force, or a file; where neither is there, that is said."""
    edited(
        house, "--add-key", f"{house.key('eve')}.pub", "--role", "legal=dan,eve", "--role", "root=1:ann,bob"
    )
    draft = house.file("root2.json").read_bytes()
    sign = ("roles", "sign", house.file("root2.json"), "--key", house.key("ann"), "--yes")
    eve, ann = house.signer("eve").id[:16], house.signer("ann").id[:16]
    for more in (house.config, ("--previous", house.file("root.json"))):
        house.file("root2.json").write_bytes(draft)
        done = affiant(*sign, *more)
        rows = [line.split() for line in done.out.splitlines()]
        assert ["keys.eve", eve, "–", "in", "use"] in rows
        assert ["roles.legal.ann", ann, "may", "sign", "–"] in rows
        assert ["roles.legal.eve", eve, "–", "may", "sign"] in rows
        assert ["roles.root.threshold", "2", "1"] in rows
        assert not [row for row in rows if row and row[0].startswith("roles.compliance")]
    house.file("root2.json").write_bytes(draft)
    done = affiant(*sign, "--config", house.file("nosuch.toml"))
    assert (done.code, "what it changes is not shown" in done.err) == (0, True)


def test_a_root_that_counts_people_of_another_role_is_read(house: House) -> None:
    """Made before it was refused, or by other hands: it holds, and is shown as what counts."""
    edited(house, "--role", "legal=ann,dan")
    draft = json.loads(house.file("root2.json").read_text())
    draft["roles"]["legal"]["threshold"] = 2
    house.file("root2.json").write_text(json.dumps(draft))
    signed(house, "root2.json", "ann", "bob")
    assert published(house).json["version"] == 2
    rows = [line.split() for line in house.ok("roles", "show", *house.config).out.splitlines()]
    # People stand there in the order of their keys' ids.
    assert {row[0]: row[-1] for row in rows if row and row[0] in {"root", "legal"}} == {
        "root": "2",
        "legal": "–",
    }
    assert edited(house, "--remove", "dan", before="root2.json", after="root3.json").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "{digest}", "--service", "credit"],
        ["history"],
        ["data", "deprecate", "md5:a304afb96060aad90176268345e10355", "--reason", "x", "--key", "{key}", "--yes"],
        ["policy", "show"],
    ],
)  # fmt: skip
def test_before_the_first_policy_what_begins_the_log_is_said(house: House, words: list[str]) -> None:
    """A signed root, and nothing proposed: the sidecar, which begins the log of records, would not help."""
    shutil.rmtree(house.file("data") / "log-governance")
    named = [word.format(digest=house.digest, key=house.key("ann")) for word in words]
    done = affiant(*named, *house.config)
    assert done.code == 3
    assert "no governance log yet; `affiant policy propose` begins it" in done.err
    assert "sidecar" not in done.err


def test_copies_that_people_signed_apart_become_one(house: House) -> None:
    """The signatures of both; a copy of another root is refused, and the file stays as it is."""
    edited(house, "--role", "legal=dan")
    draft = house.file("root2.json").read_bytes()
    for person in ("ann", "bob"):
        house.file(f"{person}.json").write_bytes(draft)
        signed(house, f"{person}.json", person)
    done = affiant("roles", "merge", house.file("ann.json"), house.file("root.json"))
    assert (done.code, "is another root" in done.err) == (1, True)
    done = affiant("roles", "merge", house.file("ann.json"), house.file("bob.json"), "--json")
    assert (done.code, done.json["signed"], done.json["wanted"]) == (0, 2, 2)
    assert published(house, "ann.json").code == 0
