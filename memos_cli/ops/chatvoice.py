"""A model file made ready to chat: opened, with the voice that fits it and its KV states."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from memos_cli.backends import gguf
from memos_cli.core.errors import ModelUnusableError
from memos_cli.ops import composition
from memos_cli.ops.activation import Limits, open_activation
from memos_cli.ops.generalvoice import GeneralVoice
from memos_cli.ops.models import facts_of, load
from memos_cli.ops.nanovoice import NanoVoice

if TYPE_CHECKING:
    from memos_cli.backends.llama import Engine
    from memos_cli.ops.activation import Activation
    from memos_cli.ops.composition import Loss
    from memos_cli.ops.models import Model, Places
    from memos_cli.ops.voices import Voice
    from memos_cli.ops.workspace import Workspace

RUNNING: Final = frozenset({"recurrent", "hybrid"})


@dataclass(frozen=True, slots=True)
class How:
    """How a model is opened: tokens of context, KV type, what KV states may take.

    Without `reuse` every prompt is computed from its start, and no state is read or kept; with
    `read_only` none is kept.
    """

    context: int
    kv_type: str = "f16"
    limits: Limits = field(default_factory=Limits)
    reuse: bool = True
    read_only: bool = False


@dataclass(slots=True)
class Ready:
    """An open model; `activation` is None where it has no KV states on disk, and `why` says why."""

    model: Model
    engine: Engine
    voice: Voice
    activation: Activation | None
    why: str = ""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Free the model and close the index of its states."""
        if self.activation is not None:
            self.activation.close()
        self.engine.close()

    @property
    def states(self) -> Activation:
        """The KV states. Raises ModelUnusableError where they are off."""
        if self.activation is None:
            msg = f"KV states are off: {self.why}"
            raise ModelUnusableError(msg)
        return self.activation


def ready(ws: Workspace, model: Model, places: Places, how: How) -> Ready:
    """Open a model for chats of a vault. Raises ModelUnusableError."""
    engine = load(model, places, context=how.context, notify=ws.notify, kv_type=how.kv_type)
    engine.reuse = how.reuse
    why = ""
    if not how.reuse:
        why = "every prompt is computed from its start."
    elif model.info.memory in RUNNING:
        why = f"{model.name} has a running state, which cannot be cut."
    elif not how.limits.max_bytes:
        why = "`activation.max_bytes` is 0."
    activation = None if why else _activation(ws, model, engine, places, how)
    return Ready(model, engine, voice_of(model, engine, activation), activation, why)


def voice_of(model: Model, engine: Engine, activation: Activation | None = None) -> Voice:
    """The voice that fits the model; with `activation` it uses and keeps KV states on disk."""
    if model.is_nano:
        return NanoVoice(engine, activation)
    return GeneralVoice(engine, model.info.template, activation)


def key_of(model: Model, places: Places) -> str:
    """What answers of a model file are kept by: the SHA-256 of its weights."""
    return gguf.digest(model.info.path, facts_of(places))


def known_loss(activation: Activation, places: Places) -> list[Loss]:
    """What was measured of this model and engine on this machine; empty if nothing was."""
    noted = gguf.recorded(facts_of(places), f"composes {activation.digest}")
    return composition.as_written(noted)


def _activation(
    ws: Workspace, model: Model, engine: Engine, places: Places, how: How
) -> Activation:
    limits, digest = how.limits, gguf.digest(model.info.path, facts_of(places))
    activation = open_activation(ws, engine, digest, limits, read_only=how.read_only)
    if model.is_nano or not engine.can_join():
        return activation  # the small model judges one memory at a time: nothing is joined
    if limits.compose == "always":
        activation.redo = 0
    elif limits.compose == "auto":
        activation.redo = composition.chosen(known_loss(activation, places))
    return activation
