"""How long payloads are kept: a minimum and a maximum, and what of the archive is over it (docs/retention.md)."""
