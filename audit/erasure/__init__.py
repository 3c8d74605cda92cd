"""Payloads of single records are erased on request; entries and proofs stay (docs/erasure.md).

told.py (what signed statements say), plan.py (where a payload is), rewrite.py (payload files without some rows).
"""
