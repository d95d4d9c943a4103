"""Conditions over a customer: a text people read, a JSON form a builder makes, one meaning.

    status = active and mrr.usd >= 2000 and days_since(last_payment_at) > 30
    (interval = year or plan in (pro, "Pro plus")) and not fraud = true and email is known

Money is in minor units of its currency. What is not known fulfils no comparison, `!=` included; `is missing` asks
for it. The empty condition is written `everyone`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from bridged.core.errors import RequestInvalid
from bridged.playbooks import fields
from bridged.playbooks.fields import DAY, Field, Value, View

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "not in", "is known", "is missing"]
Operand = str | int | bool
OPERATORS: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=", "in", "not in", "is known", "is missing")
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "in": lambda a, b: a in b,
    "not in": lambda a, b: a not in b,
}
_DEPTH = 40
"""Levels of nesting that are read: deeper ones are nobody's, and would exhaust the stack."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A field, perhaps through a function of time, against a value; `operand` is a tuple for `in`, None for `is`."""

    field: str
    function: str | None
    operator: Operator
    operand: Operand | tuple[Operand, ...] | None


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; with none: everyone."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Condition"


Condition = Compare | All | Either | Not
EVERYONE = All(())


# --- meaning ---


def holds(condition: Condition, view: View, now: int) -> bool:
    """Whether it is true of the customer at `now` (Unix seconds)."""
    if type(condition) is Compare:
        return _compares(condition, view, now)
    if type(condition) is All:
        for part in condition.parts:  # noqa: SIM110 - a dry run asks a million times: a generator costs twice
            if not holds(part, view, now):
                return False
        return True
    if type(condition) is Either:
        return any(holds(part, view, now) for part in condition.parts)
    return type(condition) is Not and not holds(condition.part, view, now)


def value_of(condition: Compare, view: View, now: int) -> Value:
    """What the left side is."""
    value = fields.reader(condition.field)(view)
    if condition.function is None or not isinstance(value, int):
        return value
    away = now - value if condition.function == "days_since" else value - now
    return away // DAY


def _compares(condition: Compare, view: View, now: int) -> bool:
    value = value_of(condition, view, now)
    if condition.operator == "is missing":
        return value is None
    if condition.operator == "is known":
        return value is not None
    return value is not None and _ORDERS[condition.operator](value, condition.operand)


def failing(condition: Condition, view: View, now: int) -> tuple[str, ...]:
    """Why it does not hold: the parts that fail, each with what is there instead. Empty: it holds."""
    if holds(condition, view, now):
        return ()
    match condition:
        case Compare():
            found = value_of(condition, view, now)
            return (f"{text(condition)}, but it is {'not known' if found is None else _written(found)}",)
        case All():
            return tuple(reason for part in condition.parts for reason in failing(part, view, now))
        case Either():
            return (f"none of: {'; '.join(text(part) for part in condition.parts)}",)
        case Not():
            return (text(condition),)


def names(condition: Condition) -> frozenset[str]:
    """The fields it speaks of."""
    match condition:
        case Compare():
            return frozenset({condition.field})
        case All() | Either():
            return frozenset(name for part in condition.parts for name in names(part))
        case Not():
            return names(condition.part)


def of_customer(condition: Condition) -> Condition:
    """What it asks of the customer alone: true wherever the whole may be, whatever the moment and its object say."""
    return _known(condition, otherwise=True)


def _known(condition: Condition, *, otherwise: bool) -> Condition:
    match condition:
        case Compare():
            told = condition.field.startswith(("moment.", "object."))
            return (EVERYONE if otherwise else Not(EVERYONE)) if told else condition
        case All():
            return All(tuple(_known(part, otherwise=otherwise) for part in condition.parts))
        case Either():
            return Either(tuple(_known(part, otherwise=otherwise) for part in condition.parts))
        case Not():
            return Not(_known(condition.part, otherwise=not otherwise))


# --- text ---

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_RESERVED = frozenset({"and", "or", "not", "in", "is", "known", "missing", "everyone", "true", "false"})
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<string>"(?:[^"\\]|\\["\\])*")|(?P<number>-?\d+(?![\w.]))|(?P<op><=|>=|!=|=|<|>)"""
    r"""|(?P<punct>[(),])|(?P<word>[A-Za-z_][A-Za-z0-9_.-]*)"""
)


def text(condition: Condition) -> str:
    """The readable form; `parse` gives the same condition back."""
    match condition:
        case Compare():
            return _comparison(condition)
        case All(()):
            return "everyone"
        case All():
            return " and ".join(_wrapped(part) for part in condition.parts)
        case Either():
            return " or ".join(_wrapped(part) for part in condition.parts)
        case Not():
            return f"not {_wrapped(condition.part)}"


def _wrapped(part: Condition) -> str:
    plain = isinstance(part, Compare) or (isinstance(part, All) and not part.parts)
    return text(part) if plain else f"({text(part)})"


def _comparison(condition: Compare) -> str:
    left = f"{condition.function}({condition.field})" if condition.function else condition.field
    operand = condition.operand
    if operand is None:
        return f"{left} {condition.operator}"
    right = f"({', '.join(map(_written, operand))})" if isinstance(operand, tuple) else _written(operand)
    return f"{left} {condition.operator} {right}"


def _written(value: Operand) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _WORD.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _refused(source: str, at: int, message: str) -> RequestInvalid:
    """The error, with the place: column, and the text there."""
    end = "at the end" if at >= len(source) else f"at column {at + 1}, {source[at : at + 20]!r}"
    return RequestInvalid(f"{message} ({end}).", hint=f"{source}\n{' ' * at}^")


def _tokens(source: str) -> tuple[_Token, ...]:
    found: list[_Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise _refused(source, at, "This cannot be read")
        if match.lastgroup != "space":
            found.append(_Token(str(match.lastgroup), match.group(), at))
        at = match.end()
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Reader:
    """The tokens of a source; each rule takes a position and gives what it read with the position after it."""

    source: str
    tokens: tuple[_Token, ...]

    def peek(self, position: int) -> _Token:
        if position < len(self.tokens):
            return self.tokens[position]
        return _Token("end", "", len(self.source))

    def is_word(self, position: int, word: str) -> bool:
        token = self.peek(position)
        return token.kind == "word" and token.text.lower() == word

    def refuse(self, position: int, message: str) -> RequestInvalid:
        return _refused(self.source, self.peek(position).at, message)

    def expect(self, position: int, wanted: str) -> int:
        if self.peek(position).text.lower() != wanted:
            raise self.refuse(position, f"{wanted!r} is expected")
        return position + 1


def parse(source: str) -> Condition:
    """The condition a text says. Raises RequestInvalid, which points at the place and names the nearest field."""
    reader = _Reader(source, _tokens(source))
    found, position = _either(reader, 0, 0)
    if position < len(reader.tokens):
        raise reader.refuse(position, "`and`, `or` or the end is expected")
    return found


def _either(reader: _Reader, position: int, depth: int) -> tuple[Condition, int]:
    return _chain(reader, position, depth, "or", _both, Either)


def _both(reader: _Reader, position: int, depth: int) -> tuple[Condition, int]:
    return _chain(reader, position, depth, "and", _one, All)


def _chain(
    reader: _Reader,
    position: int,
    depth: int,
    word: str,
    rule: Callable[[_Reader, int, int], tuple[Condition, int]],
    made: Callable[[tuple[Condition, ...]], Condition],
) -> tuple[Condition, int]:
    first, position = rule(reader, position, depth)
    parts = [first]
    while reader.is_word(position, word):
        following, position = rule(reader, position + 1, depth)
        parts.append(following)
    return (made(tuple(parts)) if len(parts) > 1 else first), position


def _one(reader: _Reader, position: int, depth: int) -> tuple[Condition, int]:
    if depth > _DEPTH:
        raise reader.refuse(position, "This is nested too deeply")
    if reader.is_word(position, "not"):
        part, position = _one(reader, position + 1, depth + 1)
        return Not(part), position
    if reader.is_word(position, "everyone"):
        return EVERYONE, position + 1
    if reader.peek(position).text == "(":
        inner, position = _either(reader, position + 1, depth + 1)
        return inner, reader.expect(position, ")")
    return _compare(reader, position)


def _compare(reader: _Reader, position: int) -> tuple[Condition, int]:
    start = position
    token = reader.peek(position)
    if token.kind != "word":
        raise reader.refuse(position, "A field is expected")
    function: str | None = None
    if reader.peek(position + 1).text == "(":
        function = token.text
        if function not in fields.FUNCTIONS:
            raise reader.refuse(position, f"Unknown function {function!r}; known: {', '.join(fields.FUNCTIONS)}")
        start = position + 2
        position = reader.expect(position + 3, ")") - 1
    name = reader.peek(start).text
    operator, position = _operator(reader, position + 1)
    operand: Operand | tuple[Operand, ...] | None = None
    at = position
    if operator in {"in", "not in"}:
        operand, position = _several(reader, position)
    elif operator not in {"is known", "is missing"}:
        operand, position = _operand(reader, position)
    made = Compare(name, function, operator, operand)
    if problem := _problem(made):
        about_value = problem[0] == "value"
        raise reader.refuse(at if about_value else start, problem[1])
    return made, position


def _operator(reader: _Reader, position: int) -> tuple[Operator, int]:
    token = reader.peek(position)
    if token.kind == "op":
        return cast("Operator", token.text), position + 1
    for words in ("not in", "in", "is known", "is missing"):
        parts = words.split()
        if all(reader.is_word(position + number, word) for number, word in enumerate(parts)):
            return cast("Operator", words), position + len(parts)
    raise reader.refuse(position, f"An operator is expected: {', '.join(OPERATORS)}")


def _operand(reader: _Reader, position: int) -> tuple[Operand, int]:
    token = reader.peek(position)
    if token.kind == "number":
        return int(token.text), position + 1
    if token.kind == "string":
        return re.sub(r"\\(.)", r"\1", token.text[1:-1]), position + 1
    if token.kind == "word" and token.text.lower() in {"true", "false"}:
        return token.text.lower() == "true", position + 1
    if token.kind == "word" and token.text.lower() not in _RESERVED:
        return token.text, position + 1
    raise reader.refuse(position, "A value is expected: a word, a number, true, false or a text in double quotes")


def _several(reader: _Reader, position: int) -> tuple[tuple[Operand, ...], int]:
    position = reader.expect(position, "(")
    first, position = _operand(reader, position)
    found = [first]
    while reader.peek(position).text == ",":
        following, position = _operand(reader, position + 1)
        found.append(following)
    return tuple(found), reader.expect(position, ")")


# --- whether it makes sense ---

_ORDERED = frozenset({"<", "<=", ">", ">="})
_TYPES: Mapping[str, tuple[type, str]] = {
    "text": (str, "a word or a text in double quotes"),
    "number": (int, "a whole number"),
    "time": (int, "a whole number"),
    "flag": (bool, "true or false"),
}


def _problem(made: Compare) -> tuple[Literal["field", "value"], str] | None:
    """What is wrong with a comparison, in its field or its value."""
    known = fields.find(made.field)
    if known is None:
        return "field", _unknown(made.field)
    if made.function is None and known.kind == "time" and made.operand is not None:
        return "field", f"{made.field} is a time: ask for days_since({made.field}) or days_until({made.field})"
    if made.function is not None and known.kind != "time":
        return "field", f"{made.function} needs a time, and {made.field} is a {known.kind}"
    if made.operator in _ORDERED and known.kind not in {"number", "time"}:
        return "field", f"{made.field} is a {known.kind}: it has no order"
    given = made.operand if isinstance(made.operand, tuple) else () if made.operand is None else (made.operand,)
    wrong = next((one for each in given if (one := _mismatch(made.field, known, each))), None)
    return None if wrong is None else ("value", wrong)


def _unknown(name: str) -> str:
    known = fields.FIELDS.get(name)
    if known is not None:
        return f"{name} is kept per currency: write {name}.usd"
    near = fields.nearest(name)
    return f"There is no field {name!r}" + (f"; did you mean {near}?" if near else "")


def _mismatch(name: str, known: Field, value: Operand) -> str | None:
    wanted, words = _TYPES[known.kind]
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        return f"{name} takes {words}"
    if known.words and value not in known.words:
        near = _closest(str(value), known.words)
        return f"{name} is never {value!r}; it is one of {', '.join(known.words)}" + (f": {near}?" if near else "")
    return None


def _closest(value: str, words: Sequence[str]) -> str | None:
    return next((each for each in words if each.startswith(value[:3].lower())), None)


# --- JSON ---


def to_json(condition: Condition) -> dict[str, Any]:
    """The form of a builder: `{"all": […]}`, `{"any": […]}`, `{"not": …}`, or field, function, op and value."""
    match condition:
        case All():
            return {"all": [to_json(part) for part in condition.parts]}
        case Either():
            return {"any": [to_json(part) for part in condition.parts]}
        case Not():
            return {"not": to_json(condition.part)}
        case Compare():
            shown: dict[str, Any] = {"field": condition.field, "op": condition.operator}
            if condition.function:
                shown["function"] = condition.function
            if condition.operand is not None:
                operand = condition.operand
                shown["value"] = list(operand) if isinstance(operand, tuple) else operand
            return shown


def from_json(given: object, place: str = "condition") -> Condition:
    """The condition a builder made. Raises RequestInvalid with the path to what is wrong."""
    return _from_json(given, place, 0)


def _wrong(place: str, message: str) -> RequestInvalid:
    return RequestInvalid(f"{place}: {message}.", hint="docs/guide/playbooks.md shows both forms of a condition.")


def _from_json(given: object, place: str, depth: int) -> Condition:
    if not isinstance(given, Mapping):
        raise _wrong(place, "an object is expected")
    if depth > _DEPTH:
        raise _wrong(place, "this is nested too deeply")
    found = cast("Mapping[str, Any]", given)
    keys = set(found)
    if keys == {"not"}:
        return Not(_from_json(found["not"], f"{place}.not", depth + 1))
    if keys in ({"all"}, {"any"}):
        word = next(iter(keys))
        return _group(found[word], f"{place}.{word}", word, depth)
    return _compare_json(found, place)


def _group(given: Any, place: str, word: str, depth: int) -> Condition:
    if not isinstance(given, list):
        raise _wrong(place, "a list is expected")
    listed = cast("list[object]", given)
    parts = tuple(_from_json(each, f"{place}[{number}]", depth + 1) for number, each in enumerate(listed))
    if len(parts) == 1:
        return parts[0]
    if word == "any":
        if not parts:
            raise _wrong(place, "at least one part is needed")
        return Either(parts)
    return All(parts)


def _compare_json(found: Mapping[str, Any], place: str) -> Condition:
    if unknown := set(found) - {"field", "function", "op", "value"}:
        raise _wrong(place, f"unknown key {min(unknown)!r}; known: all, any, not, field, function, op, value")
    name, function, operator, value = (found.get(key) for key in ("field", "function", "op", "value"))
    if not isinstance(name, str):
        raise _wrong(f"{place}.field", "the name of a field is expected")
    if operator not in OPERATORS:
        raise _wrong(f"{place}.op", f"one of {', '.join(OPERATORS)} is expected")
    if function is not None and function not in fields.FUNCTIONS:
        raise _wrong(f"{place}.function", f"one of {', '.join(fields.FUNCTIONS)} is expected")
    operand = _operand_json(operator, value, f"{place}.value")
    made = Compare(name, function, operator, operand)
    if problem := _problem(made):
        raise _wrong(f"{place}.{problem[0]}", problem[1])
    return made


def _operand_json(operator: Operator, value: Any, place: str) -> Operand | tuple[Operand, ...] | None:
    if operator in {"is known", "is missing"}:
        if value is not None:
            raise _wrong(place, "this operator takes no value")
        return None
    if operator in {"in", "not in"}:
        listed = cast("list[object]", value) if isinstance(value, list) else []
        if not listed or not all(isinstance(each, str | int) for each in listed):
            raise _wrong(place, "a list of texts or numbers is expected")
        return tuple(cast("list[Operand]", listed))
    if not isinstance(value, str | int):
        raise _wrong(place, "a text, a whole number, true or false is expected")
    return value


def read(given: object, place: str = "condition") -> Condition:
    """A condition in either form; nothing at all means everyone. Raises RequestInvalid."""
    if given is None or given == "":
        return EVERYONE
    return parse(given) if isinstance(given, str) else from_json(given, place)
