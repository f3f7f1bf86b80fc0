"""Decisions as pure functions of their arguments; imports nothing of ours and no heavy library."""
