"""`memos config`."""

from __future__ import annotations

from typing import Annotated

import typer

from memos_cli.cli.memory import DryRun
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.settings import SETTINGS, setting_of, typed


@command
def config(
    rt: Runtime,
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="A setting.")] = None,
    value: Annotated[str | None, typer.Argument(metavar="VALUE", help="Its new value.")] = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """List, read or set the settings.

    The list says where each value comes from; setting one changes the vault's memos.toml.
    """
    ws = rt.workspace()
    if key is None:
        found = [(s.key, *rt.settings.value(s.key, ws.config), s.meaning) for s in SETTINGS]
        if rt.out.structured:
            listed = [{"key": k, "value": v, "origin": o, "meaning": m} for k, v, o, m in found]
            rt.out.document({"settings": listed})
        else:
            rows = [[k, str(v), o, m] for k, v, o, m in found]
            rt.out.table(["key", "value", "origin", "meaning"], rows)
        return
    if value is None:
        current, origin = rt.settings.value(key, ws.config)
        if rt.out.structured:
            rt.out.document({"key": key, "value": current, "origin": origin})
        else:
            rt.out.data(str(current))
        return
    from memos_cli.ops.configure import set_config

    new = typed(setting_of(key), value, "command line")
    commit = set_config(ws, key, new, dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({"key": key, "value": new, "commit": commit})
    elif dry_run:
        rt.out.message(f"Nothing was changed; {key} would become {value}.")
    elif commit is None:
        rt.out.message(f"{key} is {value} already.")
