"""What KV states on disk save: the time to the first token with and without them.

`python bench/kv.py` measures the shipped model and random weights in the shapes of larger ones,
over lengths of memory and of the question: plain prefill, the restored state of the whole memory,
states of its segments composed, and llama.cpp's own state files. `--loss` adds what composing loses
in answers. Each model and length gets a process of its own. Loading a model is not counted. With a
llama.cpp that computes on a GPU the same command measures that; `--models 7B,32B` are made for it.
Without options it takes about an hour on two idle cores; `--repeats 1` halves that.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import kv_shapes, kv_tables  # noqa: E402
from bench.kv_loss import loss  # noqa: E402
from bench.kv_measure import Spec, measure  # noqa: E402
from memos_cli.backends import gguf  # noqa: E402
from memos_cli.backends.llama import KV_TYPES  # noqa: E402
from memos_cli.core.errors import MemosError  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 3 / 4  # of a model's context that memory may take
LOSS_MEMORIES = 40


@dataclass(slots=True)
class Report:
    """What was measured, what it depends on, and what could not be measured."""

    asked: dict[str, Any]
    machine: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    loss: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    targets: list[dict[str, Any]] = field(default_factory=list)

    def take(self, about: dict[str, Any], event: dict[str, Any]) -> None:
        """Take in what a process has found out."""
        kind = event.pop("kind")
        if kind == "row":
            self.rows.append(about | event)
        elif kind == "own":
            key = {name: event.pop(name) for name in ("question", "kv")}
            for row in self.rows:
                if (about | key).items() <= row.items():
                    row["llama_own"] = event
        elif kind == "loss":
            self.loss.append(about | event)
        elif kind == "machine":
            self.machine |= event["facts"]
        else:
            length = f", {about['context']:,} tokens of memory" if "context" in about else ""
            self.missing.append(f"{about['model']}{length}: {event['what']}: {event['why']}")


def main() -> None:
    """Measure, print, and write."""
    asked = _arguments()
    if asked.child:
        for event in _child(json.loads(asked.child)):
            print(json.dumps(event), flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        report = _measured(asked, asked.folder or Path(folder))
    print(kv_tables.text(asdict(report)))


def _measured(asked: argparse.Namespace, folder: Path) -> Report:
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name: value for name, value in vars(asked).items() if name not in ("json", "child")}
    report = Report(wanted | {"folder": str(folder)}, _machine())
    for about, task in _tasks(asked, folder, report):
        print("measuring", *about.values(), file=sys.stderr, flush=True)
        for event in _run(task):
            report.take(about, event)
        report.targets = kv_tables.targets(report.rows)
        if asked.json:  # after each process, so that a long run that ends early leaves something
            asked.json.write_text(json.dumps(asdict(report), indent=1) + "\n")
    return report


def _tasks(
    asked: argparse.Namespace, folder: Path, report: Report
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What each process is to do, and what its rows are about."""
    paths: dict[str, Path] = {}
    for model in asked.models:
        name, path = Path(model).name, kv_shapes.model_file(model, folder)
        try:
            info = gguf.read(path)
        except MemosError as error:
            report.missing.append(f"{name}: {error}")
            continue
        paths[name] = path
        most = int(info.context * LONGEST)
        about = {"model": name, "weights": info.quantisation}
        report.missing += [
            f"{name}: {length:,} tokens of memory do not fit into {info.context:,};"
            f" {most:,} are measured instead"
            for length in asked.contexts
            if length > most
        ]
        for context in dict.fromkeys(min(length, most) for length in asked.contexts):
            segments = min(asked.segments, context)
            spec = Spec(
                str(path), context, asked.questions, asked.kv, segments, asked.repeats, str(folder)
            )
            about |= {"context": context, "segments": segments}
            yield about.copy(), {"task": "measure"} | asdict(spec)
    yield from _loss_tasks(asked, paths, report)


def _loss_tasks(
    asked: argparse.Namespace, paths: dict[str, Path], report: Report
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The loss of the shipped model, and of the first other one."""
    if not asked.loss:
        report.missing.append("what composing loses: not asked for (--loss)")
        return
    others = [name for name in paths if name != "nano"]
    report.missing += [f"what composing loses: not measured with {name}" for name in others[1:]]
    for name in [name for name in paths if name not in others[1:]]:
        task = {"path": str(paths[name]), "memories": asked.loss, "shipped": name == "nano"}
        yield {"model": name}, {"task": "loss"} | task


def _run(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a process that does a task; how it ended is one where it ended badly."""
    command = [sys.executable, __file__, "--child", json.dumps(task)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout or ():
            yield json.loads(line)
    if child.returncode:
        code = child.returncode
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        yield {"kind": "missing", "what": "all that is not above", "why": f"it ended with {how}"}


def _child(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if task.pop("task") == "loss":
        return loss(Path(task["path"]), task["memories"], shipped=task["shipped"])
    lists = {name: tuple(task[name]) for name in ("questions", "kv")}
    return measure(Spec(**task | lists))


def _machine() -> dict[str, Any]:
    """What of the machine the numbers depend on."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    gpus = ""
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        gpus = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    return {
        "cpu": model or platform.processor(), "cpus": os.cpu_count(), "gpus": gpus.splitlines(),
        "system": platform.platform(), "load_before": os.getloadavg()[0],
    }  # fmt: skip


def _arguments() -> argparse.Namespace:
    def names(text: str) -> tuple[str, ...]:
        return tuple(text.split(","))

    def lengths(text: str) -> tuple[int, ...]:
        return tuple(int(item) for item in text.split(","))

    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = f"any of {', '.join(kv_shapes.NAMES)}, or GGUF files"
    p.add_argument("--models", type=names, default=("nano", "0.5B", "1.5B"), help=known)
    p.add_argument("--contexts", type=lengths, default=(256, 1024, 4096), help="tokens of memory")
    p.add_argument("--questions", type=lengths, default=(32, 256), help="tokens of the question")
    p.add_argument("--kv", type=names, default=("f16", "q8_0"), help="types of KV states")
    p.add_argument("--segments", type=int, default=32, help="that the memory is composed of")
    p.add_argument("--repeats", type=int, default=3, help="fewer where they take over a minute")
    p.add_argument(
        "--loss", type=int, nargs="?", default=0, const=LOSS_MEMORIES,
        help=f"measure the loss too, over so many memories ({LOSS_MEMORIES})",
    )  # fmt: skip
    p.add_argument("--json", type=Path, help="write the numbers there")
    p.add_argument("--folder", type=Path, help="keep made models there, and the states meanwhile")
    p.add_argument("--child", help=argparse.SUPPRESS)
    asked = p.parse_args()
    if min((*asked.contexts, *asked.questions, asked.segments, asked.repeats)) < 1:
        p.error("lengths and numbers are 1 or more")
    if unknown := [kv for kv in asked.kv if kv not in KV_TYPES]:
        p.error(f"no type of KV states: {', '.join(unknown)}")
    for name in asked.models:
        if name not in kv_shapes.NAMES and not Path(name).is_file():
            p.error(f"no such model: {name}")
    return asked


if __name__ == "__main__":
    main()
