"""A model's own chat template, rendered so that nothing in a message can become a control token.

The template comes from the GGUF file: Jinja2, in a sandbox. It never sees what was said. Each text
is handed to it as a placeholder that nobody can guess, and the rendered string is split at the
placeholders: only what the template itself wrote may hold control tokens.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core.errors import ModelUnusableError
from memos_cli.core.prompt import Part, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_RENDERED: Final = 1 << 20  # characters of template text; real ones have some hundred
PLAIN: Final = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}\n{% endfor %}"
    "Assistant:"
)
PLAIN_STOP: Final = ("\nUser:", "\nSystem:")
"""What a model without a template is asked with, and where its answer ends."""

_GENERATION: Final = re.compile(r"\{%([-+]?)\s*(?:end)?generation\s*([-+]?)%\}")


def render(
    template: str, messages: Sequence[Turn], *, bos: str = "", eos: str = ""
) -> tuple[Part, ...]:
    """The prompt for `messages` (roles system, user, assistant), up to the model's own turn.

    A template that refuses or ignores a system message gets it in front of the person's first one.
    Raises ModelUnusableError where the template cannot be rendered or leaves a message out.
    """
    nonce = secrets.token_hex(16)
    marks = [f"[{nonce}.{index}]" for index in range(len(messages))]
    asked = [{"role": m.role, "content": mark} for m, mark in zip(messages, marks, strict=True)]
    tokens = {"bos_token": bos, "eos_token": eos}
    text = _attempt(template or PLAIN, asked, tokens)
    if not all(mark in text for mark in marks):
        text = _attempt(template or PLAIN, _without_system(asked), tokens)
    if not all(mark in text for mark in marks):
        msg = "The model's chat template leaves out messages, so it cannot be used."
        raise ModelUnusableError(msg)
    parts: list[Part] = []
    for index, piece in enumerate(re.split(rf"\[{nonce}\.(\d+)\]", text)):
        if index % 2:
            message = messages[int(piece)]
            parts += message.parts or (Part(message.text),)
        elif piece:
            parts.append(Part(piece, special=True))
    return tuple(parts)


def _attempt(template: str, messages: Sequence[dict[str, str]], tokens: dict[str, str]) -> str:
    """The rendered prompt, "" where the template refuses these messages."""
    try:
        return _rendered(template, messages, tokens)
    except _RefusedByTemplateError:
        return ""
    except ModelUnusableError:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's program: anything may come out of it
        why = f"{type(error).__name__}: {error}".rstrip(".")
        msg = f"The model's chat template cannot be used: {why}."
        raise ModelUnusableError(msg) from None


class _RefusedByTemplateError(Exception):
    """The template called `raise_exception`."""


def _refuse(message: str) -> None:
    raise _RefusedByTemplateError(message)


def _rendered(template: str, messages: Sequence[dict[str, str]], tokens: dict[str, str]) -> str:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    names: dict[str, Any] = {
        "messages": messages,
        "add_generation_prompt": True,
        "enable_thinking": False,
        "raise_exception": _refuse,
        "strftime_now": lambda _format: "",
        "tools": None,
        **tokens,
    }
    pieces, length = [], 0
    # `generation` marks what a trainer learns from; it is no tag of Jinja2, and says nothing here.
    source = _GENERATION.sub(r"{%\1 if true \2%}{%\1 endif \2%}", template)
    for piece in environment.from_string(source).generate(names):
        pieces.append(piece)
        length += len(piece)
        if length > MAX_RENDERED:
            msg = "The model's chat template writes without end, so it cannot be used."
            raise ModelUnusableError(msg)
    return "".join(pieces)


def _without_system(messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The messages with the system's text joined to the first of the person."""
    if len(messages) < 2 or messages[0]["role"] != "system":  # noqa: PLR2004 - one to join to
        return list(messages)
    system, first, *rest = messages
    return [{"role": "user", "content": f"{system['content']}\n\n{first['content']}"}, *rest]
