"""The tests, laid out as the product's rooms are; see docs/development.md."""
