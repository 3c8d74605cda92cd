"""What can be wrong around the components: each check gives findings that say what, where, and what to do.

Nothing here composes components or prints: `affiant doctor` (cli/doctor.py) does.
"""
