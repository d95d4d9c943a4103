"""The audit log: who changed or revealed what, from where, and what it was before and after."""

from bridged.accounts.audit.store import SYSTEM, Act, Actor, Entry

__all__ = ["SYSTEM", "Act", "Actor", "Entry"]
