"""What the command says of what it found: as JSON has it, and as lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .evidence import Shown
from .exchange import Told, told_lines
from .flaws import Flaw
from .journals import Sworn
from .printable import printable


def bundle_json(shown: Shown) -> dict[str, Any]:
    """What a bundle shows."""
    return {
        "selection": shown.selection,
        "complete": shown.complete,
        "trees": [
            {
                "origin": tree.origin, "size": tree.size, "root": tree.root.hex(), "records": tree.records,
                "others": tree.others, "ranges": [f"{first}-{end - 1}" for first, end in tree.ranges],
                "earlier_checkpoints": len(tree.earlier), "witnesses": tree.witnesses,
            }
            for tree in shown.trees
        ],
        "kinds": dict(shown.kinds),
        "payloads": shown.payloads,
        "without_payload": shown.without_payload,
        "journal_signatures": shown.journals.signatures,
        "sworn_by_their_journal": shown.journals.sworn,
        "gateway_signature": journals_json(shown.journals),
        "journals": [asdict(each) for each in shown.journals.signers],
        "packages": shown.packages,
        "not_shown": shown.not_shown(),
    }  # fmt: skip


def journals_json(sworn: Sworn) -> dict[str, int]:
    """Of the records of journals that were asked for: over how many a gateway has signed, and why not over others."""
    return {
        "records": sworn.asked,
        "signed_over": sworn.asked_sworn,
        "without": sworn.without,
        "without_entries_left_out": sworn.left_out,
        "without_not_signed_yet": sworn.not_signed,
        "without_no_opening": sworn.no_key,
        "without_displaced": sworn.displaced,
    }


def lines(content: Mapping[str, Any], flaws: Sequence[Flaw], told: Sequence[Told] = ()) -> list[str]:
    """The same for people, each of them harmless on a terminal: flaws first, records then, whether it holds last."""
    said = [f"WRONG  {flaw}" for flaw in flaws]
    for name, value in content.items():
        if name == "trees":
            said += [_tree(tree) for tree in value]
        elif name == "journals":
            said += [_signer(each) for each in value]
        elif name == "not_shown":
            said += ["this does NOT show", *(f"  - {line}" for line in value)] if value else []
        elif isinstance(value, dict):
            said += [f"{_words(name)}:", *(f"  {_words(key)}: {_said(each)}" for key, each in value.items())]
        else:
            said.append(f"{_words(name)}: {_said(value)}")
    said += [line for each in told for line in told_lines(each)]
    said.append("it holds" if not flaws else f"{len(flaws)} WRONG")
    return [printable(line) for line in said]


def _signer(signer: Mapping[str, Any]) -> str:
    key = f"key {signer['key']}" if signer["key"] else "no opening here, so no key"
    return (
        f"journal {signer['journal']}: {key}, in {signer['origin']} at {signer['first']} to {signer['last']}"
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _tree(tree: Mapping[str, Any]) -> str:
    about = ", ".join(f"{_words(name)} {_said(value)}" for name, value in tree.items() if name != "origin")
    return f"tree {tree['origin']}: {about}"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        some = ", ".join(_said(each) for each in value[:16]) if value else "none"
        return some if len(value) <= 16 else f"{some} and {len(value) - 16} more"
    return str(value)
