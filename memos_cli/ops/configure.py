"""Changing `memos.toml`, the person's comments and layout kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memos_cli.core.errors import UsageError
from memos_cli.ops.transaction import change
from memos_cli.ops.workspace import CONFIG_FILE

if TYPE_CHECKING:
    from memos_cli.ops.workspace import Workspace


def set_config(
    ws: Workspace,
    key: str,
    value: Any,  # noqa: ANN401 - TOML holds anything
    *,
    dry_run: bool = False,
) -> str | None:
    """Sets a dotted key in the vault's `memos.toml`; returns the commit, None if it was so."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    data = ws.files.read(CONFIG_FILE)
    try:
        document = tomlkit.parse(data.decode())
        table: Any = document
        *parents, last = key.split(".")
        for name in parents:
            table = table.setdefault(name, tomlkit.table())
        table[last] = value
    except (TOMLKitError, AttributeError, TypeError) as error:
        msg = f"{key} cannot be set in {CONFIG_FILE}: {error}"
        raise UsageError(msg) from None
    if dry_run:
        return None
    with change(ws, "config", f"{key} = {value}") as tx:
        tx.expect(CONFIG_FILE, ws.git.blob_id(data))
        tx.write(CONFIG_FILE, tomlkit.dumps(document).encode())
    if tx.commit:
        ws.config = document.unwrap()
    return tx.commit
