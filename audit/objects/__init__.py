"""Where what is sealed is kept: a directory, or a bucket of an object store; one contract (base.py)."""
