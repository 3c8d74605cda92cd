"""The privacy gate with the real Presidio: what it finds, what it tells of it, and that it asks nobody."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from registry.errors import RegistryError
from registry.gates import Datasets
from registry.gates.base import Outcome
from registry.gates.names import entity_of
from registry.gates.presidio import PresidioAnalyzer
from registry.gates.privacy import judge
from registry.policy.gates import Privacy
from registry.table import Table, table_of
from tests.components.packages import credit_package, credit_table

SECRETS = {
    "contact": ("EMAIL_ADDRESS", "write to ada.lovelace@example.com"),
    "paid_with": ("CREDIT_CARD", "4111 1111 1111 1111"),
    "account": ("IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
    "from_where": ("IP_ADDRESS", "192.168.17.4"),
}


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Every look-up of a name and every connection of this process from now on, but for what was at work before: the
    clients of the session's components try again when theirs is gone.
    """
    seen: list[str] = []
    before = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}

    def told(event: str, arguments: tuple[object, ...]) -> None:
        if threading.get_ident() in before:
            return
        if event in ("socket.getaddrinfo", "socket.connect", "socket.gethostbyname"):
            seen.append(f"{event} {arguments}")

    sys.addaudithook(told)
    return seen


@pytest.fixture(autouse=True)
def nobody_is_asked(asked: list[str]) -> Iterator[None]:
    """Holds for each test here: a list that was fetched once is not fetched again."""
    yield
    assert asked == []


@pytest.fixture(scope="module")
def presidio(asked: list[str]) -> PresidioAnalyzer:
    """Made once: it reads its recognisers' settings."""
    return PresidioAnalyzer(ner=False)


def with_column(name: str, cells: list[Any]) -> Table:
    """The credit data's first rows with one column more."""
    frame = credit_table().frame.head(len(cells)).copy()
    frame[name] = cells
    return table_of(frame, "table")


def found(presidio: PresidioAnalyzer, table: Table, **limits: Any) -> Outcome:
    """What the gate says of a hold-out; the column `telephone` has been looked at."""
    allowed = ("telephone", *limits.pop("columns_allowed", ()))
    return judge(
        credit_package(), Datasets(holdout=table), Privacy(columns_allowed=allowed, **limits), presidio
    )


@pytest.mark.parametrize("name", SECRETS)
def test_a_pattern_is_found_in_any_text_column_and_its_text_is_not_told(
    presidio: PresidioAnalyzer, name: str
) -> None:
    """One row of three is enough; the report has the count, and not the value."""
    entity, text = SECRETS[name]
    outcome = found(presidio, with_column(name, ["nothing", text, None]))
    assert f"'{name}' has {entity} in 1 texts of 1 rows" in outcome.failures
    told: Any = outcome.figures["found"]
    assert told[name]["entities"][entity]["score"] >= 0.5
    assert text not in json.dumps([outcome.failures, outcome.figures])


def test_long_whole_numbers_are_read_as_text(presidio: PresidioAnalyzer) -> None:
    """A card's number is one in a column of integers, too; amounts are not looked at."""
    card = found(presidio, with_column("reference", [4111111111111111, 1, 2]))
    assert card.failures == ("'reference' has CREDIT_CARD in 1 texts of 1 rows",)
    assert not found(presidio, with_column("reference", [411111, 1, 2])).failures


def test_the_training_table_is_looked_at_too(presidio: PresidioAnalyzer) -> None:
    """Only the very table that the package names."""
    limits = Privacy(columns_allowed=("telephone",))
    outcome = judge(credit_package(), Datasets(training=credit_table()), limits, presidio)
    assert (outcome.failures, outcome.figures["rows"]) == ((), [1000])


def test_what_the_policy_allows_is_told_and_does_not_fail(presidio: PresidioAnalyzer) -> None:
    """An entity everywhere, or a column that somebody has looked at."""
    table = with_column("contact", [SECRETS["contact"][1]])
    assert found(presidio, table, allowed=("EMAIL_ADDRESS", "URL")).failures == ()
    allowed = found(presidio, table, columns_allowed=["contact"])
    assert allowed.failures == ()
    told: Any = allowed.figures["found"]
    assert told["contact"]["allowed"] is True
    assert "EMAIL_ADDRESS" in told["contact"]["entities"]


def test_findings_below_the_score_do_not_count(presidio: PresidioAnalyzer) -> None:
    """A licence's number alone is 0.3; with a word of the column's name beside it, more."""
    number = ["H12234567"]
    assert not found(presidio, with_column("x", number)).failures
    assert found(presidio, with_column("x", number), score=0.3).failures
    outcome = found(presidio, with_column("driver license", number))
    assert any("US_DRIVER_LICENSE" in each for each in outcome.failures)


@pytest.mark.parametrize("score", [0.5, 0.9])
def test_a_telephone_number_in_free_text_counts_whatever_the_score(
    presidio: PresidioAnalyzer, score: float
) -> None:
    """Presidio scores it 0.4, below the default; a policy that wants it says so by name."""
    table = with_column("x", ["call her back at (212) 555-0187", "nothing", "paid 1,250.00 in 12 parts"])
    outcome = found(presidio, table, score=score)
    assert outcome.failures == ("'x' has PHONE_NUMBER in 1 texts of 1 rows",)
    assert not found(presidio, table, score=score, allowed=("PHONE_NUMBER",)).failures


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("telephone", "PHONE_NUMBER"),
        ("customerEmail", "EMAIL_ADDRESS"),
        ("e-mail", "EMAIL_ADDRESS"),
        ("First Name", "PERSON"),
        ("name", "PERSON"),
        ("date_of_birth", "DATE_OF_BIRTH"),
        ("SSN", "NATIONAL_ID"),
        ("purpose_name", None),
        ("microphone", None),
        ("status_of_existing_checking_account", None),
        ("age_in_years", None),
    ],
)
def test_a_columns_name_says_what_is_in_it(name: str, entity: str | None) -> None:
    """Whole words, however they are joined."""
    assert entity_of(name) == entity


def test_a_column_that_is_named_like_a_person_fails_whatever_is_in_it(presidio: PresidioAnalyzer) -> None:
    """Patterns find no names of people; the column's own name does."""
    outcome = found(presidio, with_column("surname", ["Lovelace"]))
    assert outcome.failures == ("'surname' is named like PERSON",)


def test_the_result_lists_the_recognisers_that_ran(presidio: PresidioAnalyzer) -> None:
    """And not the NER one, which would find nothing on a blank pipeline."""
    figures = found(presidio, with_column("x", ["y"])).figures
    assert {"EmailRecognizer", "CreditCardRecognizer", "IbanRecognizer"} <= set(figures["recognizers"])
    assert "SpacyRecognizer" not in figures["recognizers"]
    assert figures["ner"] is None


def test_a_required_ner_model_that_is_not_installed_fails() -> None:
    """Nothing is fetched in its place."""
    with pytest.raises(RegistryError, match="requires a NER model, and no spaCy pipeline with one for 'en'"):
        judge(credit_package(), Datasets(holdout=credit_table()), Privacy(require_ner=True))


def test_an_installed_ner_model_runs_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline trained here on one name, installed as spaCy's packages are."""
    _install_ner(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    # Read when spaCy is imported: a package that is installed before that is there.
    monkeypatch.setattr("catalogue.AVAILABLE_ENTRY_POINTS", entry_points())
    table = with_column("note", ["Ada Lovelace signed", "nothing"])
    limits = Privacy(require_ner=True, columns_allowed=("telephone",), sample_rows=2)
    outcome = judge(credit_package(), Datasets(holdout=table), limits)
    assert outcome.figures["ner"] == "one_name 0.0.1"
    assert "SpacyRecognizer" in outcome.figures["recognizers"]
    assert any("'note' has PERSON" in each for each in outcome.failures)


def _install_ner(directory: Path) -> None:
    import spacy
    from spacy.training import Example

    pipeline = spacy.blank("en")
    pipeline.meta.update({"name": "name", "version": "0.0.1"})
    pipeline.add_pipe("ner").add_label("PERSON")
    texts = [("Ada Lovelace signed", [(0, 12, "PERSON")]), ("nothing", []), ("real estate", [])]
    examples = [Example.from_dict(pipeline.make_doc(text), {"entities": spans}) for text, spans in texts]
    pipeline.initialize(lambda: examples)
    for _ in range(25):
        pipeline.update(examples)
    package = directory / "one_name"
    pipeline.to_disk(package)
    (package / "__init__.py").write_text(
        "from pathlib import Path\nfrom spacy.util import load_model_from_path\n\n\n"
        "def load(**options):\n    return load_model_from_path(Path(__file__).parent, **options)\n"
    )
    info = directory / "one_name-0.0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: one-name\nVersion: 0.0.1\n")
    (info / "entry_points.txt").write_text("[spacy_models]\none_name = one_name\n")


def test_no_name_is_looked_up_and_nothing_connects(presidio: PresidioAnalyzer, asked: list[str]) -> None:
    """Presidio's own recogniser of e-mails has tldextract fetch a list of suffixes. See `nobody_is_asked`."""
    texts = [f"{text} and x{at}@mail.example.co.uk" for at, (_, text) in enumerate(SECRETS.values())]
    assert found(presidio, with_column("note", texts)).failures
    assert asked == []
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", 1), 1):
        pass
    assert asked  # it would have been seen
    asked.clear()
