"""Structured logs on stderr, one JSON object a line. Event names are constants; what varies is in fields."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

_least = logging.WARNING


def configure(level: str) -> None:
    """Called once by each entry point. A Secret among the fields is shown as `Secret(***)` by its own str."""
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
configure("warning")
