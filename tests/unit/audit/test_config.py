"""What is said of settings that are wrong: our words, with the table and the key."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import model_validator

from audit.config import Section, validate
from audit.errors import ConfigError
from audit.settings import LogSettings, NotarySettings


def told(table: str, content: dict[str, Any], model: type[Section]) -> str:
    """The error line."""
    with pytest.raises(ConfigError) as raised:
        validate("affiant.toml", table, content, model)
    return str(raised.value)


@pytest.mark.parametrize(
    ("table", "content", "model", "line"),
    [
        (
            "log", {"backend": "kafka"}, LogSettings,
            'affiant.toml: [log] backend = "kafka" needs bootstrap = "host:port"',
        ),
        (
            "log", {"backend": "kafka", "bootstrap": "h:1", "security_protocol": "SASL_SSL"}, LogSettings,
            "affiant.toml: [log] SASL needs sasl_username and sasl_password_file",
        ),
        (
            "notary", {"quorum": 2}, NotarySettings,
            "affiant.toml: [notary] quorum = 2 needs as many [[notary.witnesses]]",
        ),
    ],
)  # fmt: skip
def test_our_own_words_come_without_the_librarys(
    table: str, content: dict[str, Any], model: type[Section], line: str
) -> None:
    """Who reads it knows nothing of values that err."""
    assert told(table, content, model) == line


def test_the_key_stands_before_what_is_wrong_with_it() -> None:
    """And a misspelt one comes with what was meant."""
    assert told("log", {"partitions": 0}, LogSettings).startswith("affiant.toml: [log] partitions: ")
    assert "did you mean 'partitions'" in told("log", {"partition": 1}, LogSettings)


def test_words_that_only_look_like_the_librarys_stay() -> None:
    """A prefix is taken off, nothing else."""

    class Odd(Section):
        @model_validator(mode="after")
        def _wrong(self) -> Odd:
            raise ValueError("not a Value error, as it were")

    assert told("log", {}, Odd).endswith("[log] not a Value error, as it were")
