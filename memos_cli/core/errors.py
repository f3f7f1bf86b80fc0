"""Every way a command can fail, with its slug, its exit code and a sentence for the person.

The exit codes are the contract of the command line (`docs/exit-codes.md` is generated from here);
scripts must treat a code they do not know as a failure.
"""

from __future__ import annotations

from typing import ClassVar


class MemosError(Exception):
    """A failure that is told to the person in one sentence, with a hint where one helps.

    `message` is a whole sentence about what is wrong, `hint` what to do about it (may be empty).
    """

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1
    meaning: ClassVar[str] = "the command failed"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MemosError):
    """The command line, or what came on stdin, cannot be understood."""

    code = "usage"
    exit_code = 2
    meaning = "the command line or its input cannot be used"


class NothingFoundError(MemosError):
    """Nothing answers the question: an empty recall, an id that no memory has."""

    code = "nothing-found"
    exit_code = 3
    meaning = "nothing was found"


class RefusedError(MemosError):
    """A rule forbids it: a frozen memory, a rejected value, a limit."""

    code = "refused"
    exit_code = 4
    meaning = "refused by a policy or a limit"


class ConflictError(MemosError):
    """The vault moved on, or uncommitted work of the person is in the way."""

    code = "conflict"
    exit_code = 5
    meaning = "a conflict with other changes; nothing was changed"


class VaultDamagedError(MemosError):
    """The vault, or its git repository, cannot be read as one."""

    code = "vault-damaged"
    exit_code = 6
    meaning = "the vault is damaged or of a newer format"


class ModelUnusableError(MemosError):
    """The model file is missing, truncated, foreign, or refuses to load."""

    code = "model-unusable"
    exit_code = 7
    meaning = "the model is missing or unusable"


class LockTimeoutError(MemosError):
    """Another process holds the vault's lock."""

    code = "lock-timeout"
    exit_code = 8
    meaning = "another process holds the vault; the lock timed out"


class NoVaultError(MemosError):
    """There is no vault here."""

    code = "no-vault"
    exit_code = 10
    meaning = "there is no vault"


INTERRUPTED_EXIT_CODE = 130


def all_errors() -> tuple[type[MemosError], ...]:
    """Every error class, by exit code: what the docs list and the tests check for duplicates."""
    return tuple(sorted((MemosError, *MemosError.__subclasses__()), key=lambda e: e.exit_code))
