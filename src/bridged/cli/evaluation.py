"""`bridged eval`: how well questions are understood, over a file of phrasings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from bridged.cli import output
from bridged.cli.entry import Json, guarded
from bridged.conversation import evaluation
from bridged.core.errors import UsageError
from bridged.core.settings import Settings

_SHOWN = 40


def evaluate(
    file: Annotated[Path, Parameter(help="In the form of intents.json; `none` is for what is off topic.")],
    *,
    json: Json = False,
) -> int:
    """Print precision, coverage and confusions of the default engine over a file of phrasings.

    An example is a text, or {"text": ..., "language": ...}, or [text, language].
    """

    def work(settings: Settings) -> int:
        del settings
        found = evaluation.judged([evaluation.outcome_of(each) for each in evaluation.loaded(_read(file))])
        if json:
            output.document(found)
        else:
            print("\n".join(_lines(found)))  # noqa: T201 - the command's output
        return 0

    return guarded(work)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", hint="Give the path of a JSON file.") from None


def _lines(found: dict[str, Any]) -> list[str]:
    off = found["off_topic"]
    shares = ", ".join(f"{name} {_percent(found[name])}" for name in ("precision", "coverage", "buttons"))
    lines = [
        f"{found['phrasings']} phrasings: {shares}",
        f"off topic: {off['phrasings']}, of these answered {off['answered']}, given buttons {off['buttons']}",
        "",
        f"{'intent':22}{'precision':>10}{'coverage':>10}{'phrasings':>10}",
    ]
    for intent, each in found["intents"].items():
        shares = f"{_percent(each['precision']):>10}{_percent(each['coverage']):>10}"
        lines.append(f"{intent:22}{shares}{each['phrasings']:>10}")
    lines += [""] if found["confusions"] else []
    lines += [f"{each['count']} x {each['intent']} answered as {each['answered']}" for each in found["confusions"]]
    for each in found["errors"][:_SHOWN]:
        got = "+".join(each["answered"]) or (f"[{', '.join(each['choices'])}]" if each["choices"] else "nothing")
        lines.append(f"  {each['intent']}: {got}: {each['text']}")
    left = len(found["errors"]) - _SHOWN
    return lines + ([f"  and {left} more: --json shows all"] if left > 0 else [])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
