"""A canary on its way: compared with live as often as one likes, moved on, or taken back.

`sequence` are confidence bounds that hold at all times at once, `compare` is pure and says hold, move or back.
"""
