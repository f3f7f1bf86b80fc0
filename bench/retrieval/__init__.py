"""How well `memos recall` finds what answers a question, over several sets, through its commands.

Every corpus becomes a vault through `memos init` and `memos add --jsonl`, every question goes
through `memos recall --batch`; nothing of the product is called from inside.

    python -m bench.retrieval [SET ...] [--ranking full ...] [--data FOLDER] [--json FILE]
"""
