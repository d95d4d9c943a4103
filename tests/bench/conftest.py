"""What a measurement may be asked for."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--size", type=int, help="objects of a backfill, instead of 10,000 and 100,000")
    parser.addoption("--distribution", help="in time: uniform, skewed, growing, bursty or 'one second'")
