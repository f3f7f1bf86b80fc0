"""Changing `memos.toml`, the person's comments and layout kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memos_cli.core.errors import UsageError
from memos_cli.ops.transaction import change
from memos_cli.ops.workspace import CONFIG_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from memos_cli.ops.workspace import Workspace


def set_config(
    ws: Workspace,
    key: str,
    value: Any,  # noqa: ANN401 - TOML holds anything
    *,
    dry_run: bool = False,
) -> str | None:
    """Sets a dotted key in the vault's `memos.toml`; returns the commit, None if it was so."""
    ws.gate.require("config set")

    def put(document: Any) -> None:  # noqa: ANN401 - tomlkit's document
        import tomlkit

        table = document
        *parents, last = key.split(".")
        for name in parents:
            table = table.setdefault(name, tomlkit.table())
        table[last] = value

    return edit_config(ws, ("config", f"{key} = {value}"), put, dry_run=dry_run)


def edit_config(
    ws: Workspace, told: tuple[str, str], edit: Callable[[Any], None], *, dry_run: bool = False
) -> str | None:
    """Lets `edit` change the document of `memos.toml`; returns the commit, None if it was so.

    `told` is the operation and the subject. Raises UsageError where it cannot be edited.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    data = ws.files.read(CONFIG_FILE)
    try:
        document = tomlkit.parse(data.decode())
        edit(document)
        text = tomlkit.dumps(document)
    except (TOMLKitError, AttributeError, TypeError) as error:
        msg = f"{CONFIG_FILE} cannot be changed: {error}"
        raise UsageError(msg) from None
    if dry_run:
        return None
    with change(ws, *told) as tx:
        tx.expect(CONFIG_FILE, ws.git.blob_id(data))
        tx.write(CONFIG_FILE, text.encode())
    if tx.commit:
        ws.config = document.unwrap()
    return tx.commit
