"""Many customers in one mirror: the same small worlds, each with ids of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

CUSTOMER = "cus_1"
"""Whom a world is about until it is given to somebody."""
_OWN = ("in_", "ch_", "pi_", "sub_", "inpay_", "pm_", "re_", "dp_", "card_", "di_")


def given_to(customer: str, value: Any) -> Any:
    """The same object as another customer's: its ids end with theirs."""
    if isinstance(value, dict):
        return {key: given_to(customer, each) for key, each in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [given_to(customer, each) for each in cast("Sequence[Any]", value)]
    if value == CUSTOMER:
        return customer
    return f"{value}{customer}" if isinstance(value, str) and value.startswith(_OWN) else value
