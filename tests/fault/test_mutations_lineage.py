"""Lineage, listings and cards: each rule taken out of a copy, and a test of them fails."""

# ruff: noqa: E501 — a rule and what takes it out, on a line

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

LAYOUT = "registry/stores/layout.py"
INDEX = "registry/graph/index.py"
CODE = "registry/lineage/code.py"
DATA = "registry/lineage/data.py"
KEEP = "registry/cards/keep.py"
KEPT = "registry/cards/attached/layout.py"
BOARD = "registry/graph/board.py"
OPEN, SHOWN, COMMAND = "cli/lineage_open.py", "cli/lineage_show.py", "cli/lineage.py"

ON = "tests/unit/registry/lineage"
GRAPH = f"{ON}/test_graph.py -k damaged_manifest"
GIT = f"{ON}/test_code.py"
SETS = f"{ON}/test_data.py"
CARDS = "tests/unit/registry/cards/test_keep.py"
SHOWING = "tests/unit/registry/cards/test_cards.py"

HELD = "tests/unit/registry/test_publish.py -k hold_out"
HOUSE = "tests/integration/approvals"
MAY = f"{HOUSE}/test_serving.py"
DEPLOY = f"{HOUSE}/test_deploy.py"
REJECTED, ENDED, ASKED = f"{MAY} -k rejected", f"{MAY} -k outlasts", f"{MAY} -k asked"

COPIED = (
    "audit", "registry", "service", "monitoring", "cli", "tests/__init__.py", "tests/components",
    "examples/credit/german_credit.csv", f"{HOUSE}/conftest.py", MAY,
    DEPLOY, SHOWING, f"{ON}/test_graph.py", GIT, SETS, CARDS, "tests/unit/registry/test_publish.py",
)  # fmt: skip

MUTATIONS = (
    Mutation(
        "deprecated data goes into nothing new",
        "cli/deploy_open.py",
        "data = deprecated_in(lineage, deprecated(self.board.roots, self.board.said))",
        "data = ()",
        f"{DEPLOY} -k deprecated",
    ),
    Mutation(
        "what was live before comes back",
        "cli/deploy_open.py",
        "if any(digest == each.content.live for each in self.before.counted):",
        "if False:",
        f"{DEPLOY} -k deprecated",
    ),
    Mutation(
        "a card marks deprecated data",
        "registry/cards/cards.py",
        'return f"YES: {why}"',
        'return "no"',
        f"{SHOWING} -k names_its_data",
    ),
    Mutation(
        "a hold-out that is the table",
        "registry/publish.py",
        "    if holdout.sha256 == table.sha256:",
        "    if False:",
        HELD,
    ),
    Mutation(
        "too small a hold-out",
        "registry/reference.py",
        '        _enough("hold-out", scored)',
        "        pass",
        HELD,
    ),
    Mutation(
        "what fewer rows know",
        "registry/reference.py",
        "dkw_radius(min(self.rows, self.scored), self.level)",
        "dkw_radius(self.rows, self.level)",
        HELD,
    ),
    Mutation(
        "a damaged manifest hides no other",
        LAYOUT,
        "flaws.append(Flaw(entry.digest, str(error)))",
        "raise",
        GRAPH,
    ),
    Mutation(
        "a damaged manifest is told",
        INDEX,
        'wrong = [f"package {each.digest}: {each.problem}" for each in found.flaws]',
        "wrong: list[str] = []",
        GRAPH,
    ),
    Mutation(
        "names of a damaged package's data", INDEX, "held - {*found.digests}", "held - listed", GRAPH
    ),
    Mutation(
        "where one merely stands",
        CODE,
        "if tree is None or all(_tree(each.resolve().parent) != tree for each in files):",
        "if tree is None:",
        GIT,
        short=True,
    ),
    Mutation(
        "a work tree inside another",
        CODE,
        "all(_tree(each.resolve().parent) != tree for each in files)",
        "all(not each.resolve().is_relative_to(tree) for each in files)",
        GIT,
    ),
    Mutation("a directory without a commit", CODE, "        if found is None:\n", "        if False:\n", GIT),
    Mutation("the version that is named", DATA, "if table.sha256 != found.sha256:", "if False:", SETS),
    Mutation(
        "no profile of what is no table",
        DATA,
        "    except PublishError:\n        return None\n",
        "    except KeyError:\n        return None\n",
        SETS,
    ),
    Mutation(
        "a fact that has changed",
        KEEP,
        "    if before[0].facts == facts.digest:",
        "    if before[0].facts:",
        CARDS,
    ),
    Mutation(
        "a package without cards",
        KEEP,
        "if before := kept.attached(each.digest):",
        "if (before := kept.attached(each.digest)) or True:",
        CARDS,
    ),
    Mutation(
        "damaged cards stop no other",
        KEEP,
        "except (PackageError, NotFound, ConfigError) as error:",
        "except NotFound as error:",
        CARDS,
    ),
    Mutation("a damaged package among those with cards", KEEP, "for each in listed.flaws]", "for each in ()]", CARDS),
    Mutation("cards of another package", KEPT, " or _of(entry) not in (package, None):", ":", CARDS),
    Mutation("cards of before", KEPT, "not in (package, None)", "!= package", CARDS),
    # ---------------------------------------------------------------- what may not answer
    Mutation("not admitted", SHOWN, "{' NOT ADMITTED' if each in (refused or ()) else ''}", "", REJECTED),
    Mutation("not admitted, as JSON", SHOWN, "None if refused is None else each not in refused", "True", REJECTED),
    Mutation("nobody knows", SHOWN, "None if refused is None else each not in refused", "each not in (refused or ())", ASKED),
    Mutation("what could not be asked", OPEN, "return None\n\n\ndef _not_admitted(",
             "return frozenset()\n\n\ndef _not_admitted(", ASKED),
    Mutation("nobody governs", OPEN, ".root is None:\n        return frozenset()", ".root is None:\n        pass",
             f"{MAY} -k root"),
    Mutation("a damaged package answers nowhere", OPEN, "found.update(own)  # no gateway loads it either", "pass",
             f"{MAY} -k damaged"),
    Mutation("opened for each", OPEN, "board = boards.about(digest)",
             "with board_about(config, digest) as board:\n            pass", f"{MAY} -k opened_once"),
    Mutation("what could not be read of the log", BOARD, "elif index.unread:", "elif False:", f"{MAY} -k cannot_be_read"),
    Mutation("taken out twice", SHOWN, "found.serves, [package])", "found.serves)", f"{MAY} -k store_once"),
    Mutation("what admission says", OPEN, "return verdict.admitted or (verdict.expired and lasting)", "return True", REJECTED),
    Mutation("what outlasts its approvals", OPEN, " or (verdict.expired and lasting)", "", ENDED),
    Mutation("a canary outlasts nothing", OPEN, ' and place.slot == "live"', "", ENDED),
    Mutation("on expiry: stop", OPEN, " and not rules.stop_on_expiry", "", f"{MAY} -k stops"),
    Mutation("not admitted, of a package", SHOWN, "print_lineage(found, refused)\n    typer", "print_lineage(found)\n    typer",
             REJECTED),
    Mutation("not admitted, of a package, as JSON", SHOWN, "**told_of(found, refused)", "**told_of(found)", REJECTED),
    Mutation("not admitted, of data", COMMAND, "places_text(model.serves, refused)", "places_text(model.serves)", REJECTED),
    Mutation("not admitted, of data, as JSON", COMMAND, "places_told(one.serves, refused)", "places_told(one.serves, ())",
             REJECTED),
    Mutation("not admitted, listed", COMMAND, "places_text(each.serves, refused)", "places_text(each.serves)", REJECTED),
    Mutation("not admitted, listed as JSON", COMMAND, "places_told(each.serves, refused)", "places_told(each.serves, ())",
             REJECTED),
)  # fmt: skip


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, f"{GRAPH.partition(' ')[0]} {GIT} {SETS} {CARDS} {MAY}")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
