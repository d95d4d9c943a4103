"""Structured logs on stderr, one JSON object a line. Event names are constants; what varies is in fields."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import structlog

_least = logging.WARNING


class _Line(logging.Formatter):
    """What a library says, as a line like ours."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "module": record.name,
            "event": "library",
            "message": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)  # which also writes what is no Unicode


class _Stderr(logging.StreamHandler[Any]):
    """Looked up at each line, as ours is."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


_libraries = _Stderr()
_libraries.setFormatter(_Line())


def configure(level: str) -> None:
    """Called once by each entry point. A Secret among the fields is shown as `Secret(***)` by its own str."""
    _structure(level)
    # Libraries tell at `info` what they do, which is not what we do.
    _libraries.setLevel(max(_least, logging.WARNING))
    logging.getLogger().addHandler(_libraries)


def _structure(level: str) -> None:
    global _least  # noqa: PLW0603 - as structlog's own configuration
    _least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_least),
        # Looked up at each line: stderr may be another file by then.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def informs() -> bool:
    """Whether lines at `info` are written: who has hundreds of them asks before making any."""
    return _least <= logging.INFO


def logger(module: str) -> Any:
    """The logger of a module."""
    return structlog.get_logger(module=module)


# structlog's own default would print everything to stdout, which belongs to the data.
_structure("warning")
