"""A Secret shows itself nowhere, whatever is done to it short of `reveal`."""

import copy
import json
import logging
import pickle
import pprint
import string
import traceback
from dataclasses import dataclass

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridged.core import log
from bridged.core.types import Secret

PLANTED = "rk_live_planted0123456789"


@dataclass(frozen=True)
class Holder:
    key: Secret


def shown(secret: Secret) -> list[str]:
    return [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{secret:>60}",
        "%s %r" % (secret, secret),  # noqa: UP031
        "{0} {0!s}".format(secret),  # noqa: UP032
        string.Template("$key").substitute(key=secret),
        pprint.pformat({"key": [secret]}),
        repr(Holder(secret)),
        json.dumps({"key": secret}, default=str),
        orjson.dumps({"key": secret}, default=str).decode(),
        repr(ValueError("no", secret)),
    ]


def test_no_way_of_showing_it_shows_it() -> None:
    for text in shown(Secret(PLANTED)):
        assert PLANTED not in text
        assert "Secret(***)" in text


@given(st.text(min_size=4))
def test_no_value_shines_through(value: str) -> None:
    assume(value not in "{'key': [Secret(***)]} Holder(key=Secret(***)) ValueError('no', Secret(***))")
    assert all(value.strip() not in text or not value.strip() for text in shown(Secret(value)))


def test_it_is_not_serialised() -> None:
    secret = Secret(PLANTED)
    for serialise in (json.dumps, orjson.dumps, pickle.dumps, copy.copy, copy.deepcopy, vars, list):
        with pytest.raises((TypeError, orjson.JSONEncodeError)) as refused:
            serialise(secret)
        assert PLANTED not in str(refused.value)


def test_logs_do_not_show_it(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("debug")
    refused = ValueError(Secret(PLANTED))
    log.logger("here").warning("refused", key=Secret(PLANTED), holder=Holder(Secret(PLANTED)), exc_info=refused)
    logged = capsys.readouterr().err
    assert PLANTED not in logged
    assert json.loads(logged)["key"] == "Secret(***)"


def test_the_log_of_the_standard_library_does_not_either(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("here").warning("key %s", Secret(PLANTED))
    assert PLANTED not in caplog.text


def test_what_libraries_say_is_a_line_like_ours(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info")
    broken = ValueError(Secret(PLANTED))
    logging.getLogger("a.library").error("It broke: %s", Secret(PLANTED), exc_info=broken)
    logging.getLogger("a.library").info("It does something.")
    (line,) = capsys.readouterr().err.splitlines()
    assert PLANTED not in line
    told = json.loads(line)
    assert told.pop("timestamp").endswith("+00:00")
    assert "ValueError" in told.pop("exception")
    assert told == {
        "module": "a.library",
        "event": "library",
        "message": "It broke: Secret(***)",
        "level": "error",
    }


def test_what_libraries_say_need_not_be_unicode() -> None:
    """Given to the formatter alone: pytest's own workers cannot pass such a line on."""
    line = log._Line().format(logging.makeLogRecord({"msg": "\udcff"}))
    assert json.loads(line)["message"] == "\udcff"


def test_a_traceback_with_locals_does_not_show_it() -> None:
    def fail(key: Secret) -> None:
        raise ValueError(key)

    with pytest.raises(ValueError, match=r"\*\*\*") as failed:
        fail(Secret(PLANTED))
    drawn = "".join(traceback.TracebackException.from_exception(failed.value, capture_locals=True).format())
    assert "key = Secret(***)" in drawn
    assert PLANTED not in drawn


def test_it_is_compared_by_value_and_only_with_its_like() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not Secret("")


def test_the_fingerprint_tells_keys_apart_and_gives_nothing_away() -> None:
    one, other = Secret(PLANTED).fingerprint(), Secret(PLANTED + "x").fingerprint()
    assert one == Secret(PLANTED).fingerprint() != other
    assert len(one) == 12
    assert int(one, 16) >= 0
