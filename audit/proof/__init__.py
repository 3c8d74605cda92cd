"""What an entry is and how it is proved: pure functions over bytes, no I/O, no clock.

Depends on `cryptography` and `cbor2` alone and uses relative imports only, so that it is also
published by itself as the auditor's verifier. The bytes are settled in docs/record-format.md.
"""
