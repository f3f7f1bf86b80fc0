"""Whoever reads past the gate is named here, with the reason: a new door is opened on purpose."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "memos_cli"
UNFILTERED_CATALOG = {
    "ops/workspace.py": "keeps the catalog in step, and hands out the filtered view",
    "cli/runtime.py": "closes it", "ops/setup.py": "closes it",
    "ops/gate.py": "is the gate", "ops/sync.py": "keeps the tables in step",
    "ops/kvsweep.py": "deletes states of what is gone: what is hidden is not gone",
    "ops/modelcache.py": "deletes what was written of what is gone: what is hidden is not gone",
    "ops/scoring.py": "counts terms for the owner alone", "ops/doctor.py": "the owner's",
    "ops/mergetree.py": "the owner's",
    "ops/history.py": "what differs from the last commit, which is filtered then",
    "ops/purgefinish.py": "makes the catalog anew",
    "ops/purgescan.py": "the owner's",
}  # fmt: skip
CONTENTS_OF_HISTORY = {
    "ops/gate.py": "is the gate", "ops/sync.py": "indexes rows, which recall filters",
    "ops/history.py": "filters by `sees`", "ops/memories.py": "filters by `sees`",
    "ops/blame.py": "of a memory that `find_at` gave, told by `entries_of`",
    "ops/recall.py": "of rows that a filtered condition chose",
    "ops/timemachine.py": "asks `check_write` of each file",
    "ops/mergetree.py": "the owner's", "ops/transaction.py": "compares blobs, shows nothing",
    "ops/purge.py": "the owner's", "ops/purgefinish.py": "ends what the owner began, shows nothing",
}  # fmt: skip
FILES = {
    "ops/workspace.py": "reads for the catalog, and what the filtered catalog names",
    "ops/sync.py": "indexes rows, which recall filters", "ops/sessions.py": "filters by actor",
    "ops/history.py": "filters by `sees`", "ops/memories.py": "what the filtered catalog names",
    "ops/review.py": "what the filtered catalog names",
    "ops/evolvevault.py": "what the filtered catalog names",
    "ops/status.py": "what the filtered catalog names", "ops/merge.py": "the owner's",
    "ops/recall.py": "of rows that a filtered condition chose", "ops/chat.py": "rejected.txt",
    "ops/configure.py": "memos.toml", "ops/transaction.py": "what a command will write",
    "ops/kvsweep.py": "compares blobs, shows nothing",
    "ops/purge.py": "the owner's", "ops/purgesources.py": "the owner's",
    "ops/purgefinish.py": "ends what the owner began, shows nothing",
}  # fmt: skip
ROWS = {
    "ops/gate.py": "is the gate", "ops/sync.py": "keeps the tables in step",
    "ops/scoring.py": "under the condition of a scope", "ops/doctor.py": "the owner's",
    "ops/recall.py": "under the condition of a scope", "ops/timed.py": "under that of a scope",
    "ops/timeline.py": "under the gate's condition",
}  # fmt: skip
MESSAGES = {
    "ops/history.py": "makes entries, which tell nothing of what may not be read",
    "ops/blame.py": "through `entries_of`", "ops/gate.py": "is the gate",
    "ops/answers.py": "through `entry_of`",
    "ops/timemachine.py": "subjects that `seen_changes` lets pass",
    "ops/bisect.py": "through `entry_of`", "ops/timeline.py": "reads which files differ alone",
}  # fmt: skip
DOORS = {
    r"\.everything\b": UNFILTERED_CATALOG,
    r"git\.(read_blobs|merge_lines)\b": CONTENTS_OF_HISTORY,
    r"files\.(read|read_or_none)\(": FILES,
    r"index\.table\b|\btable\.(within|match|data)\(": ROWS,
    r"backends\.history import": MESSAGES,
    r"git\.resolve\(": {"ops/workspace.py": "`Workspace.resolve`, which knows the actor"},
}


@pytest.mark.parametrize("pattern", DOORS)
def test_what_reads_past_the_gate_is_known(pattern: str) -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for layer in ("ops", "cli")
        for path in (PACKAGE / layer).rglob("*.py")
        if re.search(pattern, path.read_text("utf-8"))
    }
    assert found == set(DOORS[pattern])
