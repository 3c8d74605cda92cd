"""The command `affiant`: composes the other rooms, holds no logic of its own."""
