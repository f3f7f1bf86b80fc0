"""memos: a memory operating system for a person's own machine."""

__version__ = "0.1.0"
