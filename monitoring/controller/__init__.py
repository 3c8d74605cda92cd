"""The rollback controller: hears of alerts, computes them again, and goes back to the last approved digest by itself.

`decide` is pure and has all the rules; `act` signs and appends; `run` brings the two together, `webhook` hears. Nothing
that an alert says is believed. docs/rollback.md tells what each part promises, and what is tried against it.
"""
