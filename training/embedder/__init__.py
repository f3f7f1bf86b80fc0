"""Makes the static embedder of memos from Python wheels alone; see README.md beside this file."""
