"""What a column's name says of what is in it. Presidio's recognisers read values; a name is none."""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = {
    "EMAIL_ADDRESS": "email|e_mail|mail_address",
    "PHONE_NUMBER": "phone|telephone|mobile|cell_phone|fax",
    "PERSON": "name|first_name|last_name|middle_name|given_name|family_name|maiden_name|full_name|surname|forename",
    "LOCATION": "street|home_address|postal_address|address|zip|zip_code|postcode|postal_code|latitude|longitude",
    "DATE_OF_BIRTH": "birth|birthday|birthdate|dob",
    "IP_ADDRESS": "ip|ip_address|ip_addr",
    "CREDIT_CARD": "credit_card|card_number|pan|cvv|cvc",
    "IBAN_CODE": "iban",
    "BANK_ACCOUNT": "account_number|account_no|bic|routing_number",
    "NATIONAL_ID": "ssn|social_security|passport|national_id|tax_id|tin|driver_license|driving_licence|nhs_number|mrn",
}
"""Entity → whole words of a name. Presidio's names where it has one."""
# A word alone is the whole name: `purpose_name` or `address_count` are not a person's.
_ALONE: Final = frozenset({"name", "address", "ip", "pan", "zip", "tin"})
_PATTERNS: Final = {
    entity: re.compile(
        "|".join(rf"^{word}$" if word in _ALONE else rf"(?:^|_){word}s?(?:_|$)" for word in words.split("|"))
    )
    for entity, words in _WORDS.items()
}
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER: Final = re.compile(r"[^a-z0-9]+")


def words_of(name: str) -> list[str]:
    """The words of a column's name: `customerEmail` and `customer-email` are both customer, email."""
    return [word for word in _OTHER.split(_CAMEL.sub("_", name).lower()) if word]


def entity_of(name: str) -> str | None:
    """Which personal data a column of that name would hold; None when the name does not say so."""
    joined = "_".join(words_of(name))
    return next((entity for entity, pattern in _PATTERNS.items() if pattern.search(joined)), None)
