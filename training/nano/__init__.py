"""Trains the small chat model that ships with memos, from nothing, on one CPU core."""
