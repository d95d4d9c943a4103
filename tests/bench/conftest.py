"""What a measurement may be asked for."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--size", type=int, help="objects of a backfill, instead of 10,000 and 100,000")
    parser.addoption("--pace", type=float, default=1.0, help="part of Stripe's limits, as in `bridged sync --pace`")
    parser.addoption("--distribution", help="in time: uniform, skewed, growing, bursty or 'one second'")
    parser.addoption("--rows", type=int, default=200_000, help="mirrored rows to which events are applied")
