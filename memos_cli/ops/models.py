"""The chat model: which file it is, whether it can be trusted to run, and running it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from memos_cli.backends import gguf, modelstores
from memos_cli.backends.gguf import ModelInfo
from memos_cli.backends.modelstores import Stores
from memos_cli.core import nano
from memos_cli.core.errors import ModelUnusableError, RefusedError, UsageError
from memos_cli.ops.configure import set_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memos_cli.backends.gguf import Memory
    from memos_cli.backends.llama import Engine, Vocabulary
    from memos_cli.ops.workspace import Workspace

__all__ = [
    "REUSE",
    "Listed",
    "Model",
    "ModelInfo",
    "Places",
    "Stores",
    "engine_log",
    "examine",
    "facts_of",
    "find_for_vault",
    "find_model",
    "listed",
    "load",
    "of_vault",
    "use",
    "vocabulary",
]  # fmt: skip

DEFAULT: Final = "default"
SHIPPED: Final = Path(__file__).parent.parent / "assets" / "nano-q8_0.gguf"
KEY: Final = "models.chat"
_NOTHING: Final = "nothing: its running state cannot be cut, so each prompt is computed whole"
REUSE: Final[Mapping[Memory, str]] = {
    "attention": "what a prompt shares with the one before",
    "sliding": "what a prompt shares with the one before; all layers keep all of it",
    "recurrent": _NOTHING,
    "hybrid": _NOTHING,
}
"""What of the KV state of a prompt is reused for the next one, for a person."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where models may be: `base` is what a relative path is relative to, `cache` a folder of ours.

    Without a cache a strange model is tried out anew each time.
    """

    base: Path
    cache: Path | None = None
    stores: Stores = field(default_factory=Stores)


@dataclass(frozen=True, slots=True)
class Model:
    """A model file that has passed the check of its header."""

    info: ModelInfo
    shipped: bool

    @property
    def name(self) -> str:
        """How sessions name it."""
        return self.info.name

    @property
    def is_nano(self) -> bool:
        """Whether it speaks the prompt format of `core.nano` (any file of that training does)."""
        return str(self.info.values.get("general.name", "")).startswith(nano.MODEL_NAME)

    def describe(self) -> str:
        """One line on it."""
        info = self.info
        kind = "answers from memories alone" if self.is_nano else info.architecture
        size = f"{info.parameters / 1e6:,.1f}M weights {info.quantisation}".rstrip()
        told = f"{info.name} ({kind}, {size}, context {info.context:,}), {info.path}"
        return f"{told}. It reuses {_NOTHING}." if REUSE[info.memory] == _NOTHING else told


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that could be used: `info` None and `problem` set where it cannot."""

    name: str
    path: Path
    store: str
    info: ModelInfo | None
    problem: str = ""


def find_model(choice: str, places: Places) -> Path:
    """The file that `default`, a path, or a name from `listed` means.

    Raises ModelUnusableError where there is none, UsageError where a name fits several.
    """
    if choice in {DEFAULT, ""}:
        return SHIPPED
    given = Path(choice).expanduser()
    path = given if given.is_absolute() else places.base / given
    if path.exists() or choice.endswith(".gguf") or choice.startswith((".", "/", "~")):
        return path
    wanted = choice.casefold()
    every = modelstores.find(places.stores)
    exact = [
        f for f in every if wanted in {f.name.casefold(), f.name.casefold().rpartition(":")[0]}
    ]
    found = exact or [f for f in every if wanted in f.name.casefold()]
    if len(found) > 1:
        names = ", ".join(f.name for f in found[:8])
        msg = f"{choice!r} fits several models: {names}."
        raise UsageError(msg, hint="Give more of the name, or a path.")
    if not found:
        msg = f"There is no model {choice!r}."
        raise ModelUnusableError(msg, hint="`memos model list` shows those on this machine.")
    return found[0].path


def examine(choice: str, places: Places) -> Model:
    """The model `choice` names, its header read and checked. Raises ModelUnusableError."""
    path = find_model(choice, places)
    if path == SHIPPED and not path.is_file():
        msg = "This installation has no chat model of its own."
        raise ModelUnusableError(msg, hint="Name one: `memos model use FILE.gguf`, or --model.")
    return Model(gguf.read(path), shipped=path == SHIPPED)


def find_for_vault(ws: Workspace, choice: str, places: Places) -> Path:
    """`find_model` for a choice that the vault's own `memos.toml` makes.

    A vault may come from someone else, and a model is parsed by a large C++ program: so a model
    that lies in the vault is not taken on the vault's word. Raises RefusedError for one.
    """
    path = find_model(choice, replace(places, base=ws.root))
    if path != SHIPPED and path.resolve().is_relative_to(ws.root.resolve()):
        msg = f"The vault names a model that lies in the vault: {path}. It is not opened for that."
        raise RefusedError(msg, hint="If you trust it: --model FILE, or move it out of the vault.")
    return path


def of_vault(ws: Workspace, choice: str, places: Places) -> Model:
    """`examine` for a choice that the vault's own `memos.toml` makes. Raises RefusedError too."""
    path = find_for_vault(ws, choice, places)
    return examine(str(path) if path != SHIPPED else DEFAULT, places)


def load(
    model: Model,
    places: Places,
    *,
    context: int,
    notify: Callable[[str], None],
    kv_type: str = "f16",
) -> Engine:
    """Open `model` in llama.cpp with a context of at most `context` tokens.

    A model that is not the package's own and was never run here is first run in a child process,
    because a damaged one may end the process. Raises ModelUnusableError.
    """
    from memos_cli.backends.llama import Engine

    return Engine.load(_tried(model, places, notify), n_ctx=context, kv_type=kv_type)


def vocabulary(model: Model, places: Places, notify: Callable[[str], None]) -> Vocabulary:
    """Open the vocabulary of `model` alone. Raises ModelUnusableError."""
    from memos_cli.backends.llama import Vocabulary

    return Vocabulary(_tried(model, places, notify))


def _tried(model: Model, places: Places, notify: Callable[[str], None]) -> Path:
    """The model's file, after a first run in a child process if it is a stranger."""
    from memos_cli.backends.llama import probe

    path = model.info.path
    if not model.shipped:
        facts = facts_of(places)
        fact = f"ran {gguf.digest(path, facts)}"
        if facts is None or not gguf.remembered(facts, fact):
            notify(f"Trying the model {model.name} for the first time ...")
            probe(path)
            if facts is not None:
                gguf.remember(facts, fact)
    return path


def engine_log() -> str:
    """The last lines that llama.cpp wrote in this process."""
    from memos_cli.backends.llama import log

    return log()


def listed(places: Places) -> tuple[Listed, ...]:
    """The model of the package, then those that other programs have on this machine."""
    shipped = modelstores.Found(DEFAULT, SHIPPED, "memos")
    return tuple(_look(found) for found in (shipped, *modelstores.find(places.stores)))


def use(
    ws: Workspace, choice: str, places: Places, *, dry_run: bool = False
) -> tuple[Model, str | None]:
    """Make `choice` the chat model of the vault; returns it and the commit (None: no change)."""
    model = examine(choice, places)
    value = DEFAULT if model.shipped else str(model.info.path.resolve())
    of_vault(ws, value, places)  # what chat will refuse is refused here
    return model, set_config(ws, KEY, value, dry_run=dry_run)


def _look(found: modelstores.Found) -> Listed:
    try:
        return Listed(found.name, found.path, found.store, gguf.read_any(found.path))
    except ModelUnusableError as error:
        return Listed(found.name, found.path, found.store, None, error.message)


def facts_of(places: Places) -> Path | None:
    """The file in which digests and first runs are noted."""
    if places.cache is None:
        return None
    try:
        places.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return places.cache / "models.json"
