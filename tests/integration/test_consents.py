"""What customers agree to: said by themselves, entered by people, imported from files."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.audit import SYSTEM
from bridged.app import consents
from bridged.channels import words
from bridged.core.db import Database
from bridged.core.errors import NotFound, RequestInvalid, UsageError
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from bridged.profiles.contacts import Consent, Identity, Reach
from bridged.profiles.contacts import store as contacts
from numbered import ANA, PHONE, Numbered, numbered
from served import stored

FIRST = {"en": "STOP", "es": "baja", "pt": "Sair", "de": "Abmelden", "fr": "Arrêt"}
AGAIN = {"en": "Start", "es": "ALTA", "pt": "Começar", "de": "anmelden", "fr": "Reprendre"}


@pytest.fixture
async def stage(database: Database, scope: Scope) -> AsyncIterator[Numbered]:
    async with numbered(database, scope) as made:
        yield made


async def reach(stage: Numbered, customer: str = ANA, **ahead: float) -> Reach:
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        return await contacts.reach(conn, stage.scope, customer, stage.now() + timedelta(**ahead))


async def says(stage: Numbered, text: str, person: Any = None, **how: Any) -> None:
    stage.whatsapp.courier.says(stage.number, person or stage.ana, text)
    await stage.listen(**how)


def texts(stage: Numbered) -> list[str]:
    return [each.text for each in stage.whatsapp.world.sent]


@pytest.mark.parametrize("language", FIRST)
async def test_stop_and_start_in_each_language(stage: Numbered, language: str) -> None:
    await says(stage, FIRST[language], copies=3)
    found = await reach(stage)
    assert (found.utility, found.marketing) == ("revoked", "revoked")
    await stage.deliver()
    stage.skip(seconds=10)
    await says(stage, FIRST[language])
    await stage.deliver()
    assert texts(stage) == [words.CONFIRMED[language]["stop"]], "confirmed once"
    stage.skip(seconds=10)
    await says(stage, AGAIN[language], copies=2)
    found = await reach(stage)
    assert (found.utility, found.marketing) == ("granted", "granted")
    await stage.deliver()
    assert texts(stage)[1:] == [words.CONFIRMED[language]["start"]]


async def test_start_gives_back_only_what_stop_took(stage: Numbered) -> None:
    await stage.agree(utility="granted", marketing="revoked")
    await says(stage, "stop")
    stage.skip(seconds=10)
    await says(stage, "start")
    found = await reach(stage)
    assert (found.utility, found.marketing) == ("granted", "revoked")


async def test_a_button_of_a_template_stops_too(stage: Numbered) -> None:
    stage.whatsapp.courier.presses(stage.number, stage.ana, words.STOP_PAYLOAD, "No more of this")
    await stage.listen()
    assert (await reach(stage)).utility == "revoked"


async def test_the_switch_in_whatsapp_ends_marketing_only(stage: Numbered) -> None:
    stage.whatsapp.courier.prefers(stage.number, stage.ana, "stop")
    await stage.listen(copies=2)
    found = await reach(stage)
    assert (found.utility, found.marketing, found.marketing_stopped) == ("granted", "granted", True)
    message = await stage.put(category="marketing", template="news")
    paid = await stage.put()
    await stage.deliver()
    assert (await stage.get(message)).reason == "marketing_stopped_131050"
    assert (await stage.get(paid)).state == "accepted"
    stage.skip(seconds=5)
    stage.whatsapp.courier.prefers(stage.number, stage.ana, "resume")
    await stage.listen()
    assert not (await reach(stage)).marketing_stopped


async def test_a_stop_of_somebody_unknown_holds_when_they_become_known(stage: Numbered) -> None:
    eva = stage.whatsapp.world.add_person("34655555555")
    await says(stage, "STOP", eva)
    await stage.deliver()
    assert len(texts(stage)) == 1
    await stage.agree("cus_eva", "+34655555555")
    found = await reach(stage, "cus_eva")
    assert (found.phone_e164, found.utility, found.marketing) == ("+34655555555", "revoked", "revoked")


async def test_a_stop_from_a_shared_number_holds_for_all_who_have_it(stage: Numbered) -> None:
    await stage.agree("cus_ben", PHONE)
    await says(stage, "STOP")
    for customer in (ANA, "cus_ben"):
        found = await reach(stage, customer)
        assert (found.ambiguous, found.utility) == (True, "revoked")


async def test_an_old_stop_does_not_undo_a_newer_start(stage: Numbered) -> None:
    """Webhooks may come late and in any order: what was said last counts."""
    world = stage.whatsapp.world
    stage.whatsapp.courier.says(stage.number, stage.ana, "stop")
    stop = stage.whatsapp.courier.waiting
    stage.whatsapp.courier.waiting = []
    await says(stage, "stop")
    stage.skip(seconds=30)
    await says(stage, "start")
    assert (await reach(stage)).utility == "granted"
    stage.whatsapp.courier.waiting = stop
    await stage.listen()
    assert (await reach(stage)).utility == "granted"
    assert world.sent == []


async def test_agreement_to_marketing_ends_after_two_years_of_silence(stage: Numbered) -> None:
    assert (await reach(stage, days=700)).marketing == "granted"
    assert (await reach(stage, days=731)).marketing == "none"
    assert (await reach(stage, days=731)).utility == "granted"
    stage.skip(days=400)
    await says(stage, "Thanks!")
    assert (await reach(stage, days=400)).marketing == "granted"


async def test_three_spellings_of_a_number_are_one_person(stage: Numbered) -> None:
    await stage.agree("cus_mx", "+525512345678")
    mexican = stage.whatsapp.world.add_person("5215512345678")
    await says(stage, "hola", mexican)
    assert (await reach(stage, "cus_mx")).last_inbound_at is not None
    await stage.agree("cus_other", "+5215512345678")
    assert (await reach(stage, "cus_mx")).ambiguous


async def test_an_id_that_changes_stays_the_same_person(stage: Numbered) -> None:
    await says(stage, "Hello")
    before = (await reach(stage)).bsuid
    await says(stage, "stop")
    update = {"metadata": {"phone_number_id": stage.number.id}}
    update["user_id_update"] = [{"user_id": {"previous": before, "current": "US.1"}}]  # type: ignore[assignment]
    stage.whatsapp.courier.field(stage.number, "user_id_update", update)
    await stage.listen()
    found = await reach(stage)
    assert (found.bsuid, found.utility) == ("US.1", "revoked")


async def test_phones_of_stripe_are_adopted_and_given_up(stage: Numbered) -> None:
    async def adopted(*phones: tuple[str, str | None]) -> int:
        async with stage.database.transaction(stage.scope.workspace_id) as conn:
            return await contacts.adopt(conn, stage.scope, phones, stage.now())

    assert await adopted(("cus_1", "+34600000001"), ("cus_2", None)) == 1
    assert await adopted(("cus_1", "+34600000001"), ("cus_2", None)) == 0
    assert (await reach(stage, "cus_1")).phone_e164 == "+34600000001"
    assert await adopted(("cus_1", "+34600000002")) == 2
    assert (await reach(stage, "cus_1")).phone_e164 == "+34600000002"
    assert await adopted(("cus_1", None), (ANA, "+34699999999")) == 2
    assert (await reach(stage, "cus_1")).phone_e164 is None
    assert (await reach(stage)).phone_e164 == PHONE, "what was imported counts more"


async def test_a_later_consent_outweighs_a_stop_in_its_own_category(stage: Numbered) -> None:
    await says(stage, "stop")
    stage.skip(minutes=5)
    given = Consent(ANA, "utility", "granted", "checkout", stage.now())
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        await contacts.record(conn, stage.scope, given, stage.now())
        assert (await contacts.reach(conn, stage.scope, ANA, stage.now())).utility == "revoked"
        await contacts.agreed_again(conn, stage.scope, ANA, [given], stage.now())
    found = await reach(stage)
    assert (found.utility, found.marketing) == ("granted", "revoked")
    stage.skip(minutes=5)
    await says(stage, "stop")
    assert (await reach(stage)).utility == "revoked"


async def test_what_is_recorded_stays_in_the_history(stage: Numbered) -> None:
    given = Consent(ANA, "marketing", "revoked", "phone call", stage.now(), "no more", "ticket 7")
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        assert await contacts.record(conn, stage.scope, given, stage.now())
        assert not await contacts.record(conn, stage.scope, given, stage.now())
        older = replace(given, state="granted", at=stage.now() - timedelta(days=5), source="form")
        assert not await contacts.record(conn, stage.scope, older, stage.now())
        found = await contacts.history(conn, stage.scope, ANA)
    assert [(each.category, each.state, each.source) for each in found[2:]] == [
        ("marketing", "revoked", "phone call"), ("marketing", "granted", "form"),
    ]  # fmt: skip
    assert (await reach(stage)).marketing == "revoked"


async def test_nobody_hears_of_another_connection(stage: Numbered) -> None:
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        elsewhere = Scope(stage.scope.workspace_id, "00000000-0000-0000-0000-000000000009")
        assert (await contacts.reach(conn, elsewhere, ANA)).phone_e164 is None
        assert (await contacts.owners(conn, elsewhere, Identity(PHONE))).only is None


# Files

CUSTOMERS = [
    {"id": "cus_1", "object": "customer", "email": "Ana@Example.com", "address": {"country": "ES"}},
    {"id": "cus_2", "object": "customer", "email": "two@example.com"},
    {"id": "cus_3", "object": "customer", "email": "same@example.com"},
    {"id": "cus_4", "object": "customer", "email": "same@example.com"},
]
FILE = """customer,email,phone,utility,marketing,source,text,proof,at
,ana@example.com,612 34 56 78,yes,no,checkout,I agree,order 1,2026-03-01
cus_2,,+49 151 23456789,Yes,,form,,,
cus_3,,+4915123456789,yes,,form,,,
,same@example.com,,yes,,form,,,
cus_9,,,yes,,form,,,
cus_4,,12,yes,,form,,,
"""


@pytest.fixture
async def app(settings: Settings, scope: Scope) -> AsyncIterator[tuple[root.App, Connection]]:
    async with root.opened(settings) as opened:
        await stored(opened.database, scope, "customers", CUSTOMERS)
        yield opened, await root.find_connection(opened, None)


async def test_a_file_is_previewed_and_then_applied(app: tuple[root.App, Connection]) -> None:
    opened, connection = app
    for apply in (False, True):
        plan = await consents.import_file(opened, connection, FILE, SYSTEM, apply=apply)
        assert [(each.customer_id, each.phone_e164, each.shared_with) for each in plan.phones] == [
            ("cus_1", "+34612345678", ()),
            ("cus_2", "+4915123456789", ("cus_3",)),
            ("cus_3", "+4915123456789", ("cus_2",)),
        ]
        assert [(each.consent.customer_id, each.consent.category, each.consent.state) for each in plan.consents] == [
            ("cus_1", "utility", "granted"),
            ("cus_1", "marketing", "revoked"),
            ("cus_2", "utility", "granted"),
            ("cus_3", "utility", "granted"),
        ]
        assert [(each.number, each.reason) for each in plan.refused] == [
            (5, "ambiguous"), (6, "no_customer"), (7, "invalid_phone"),
        ]  # fmt: skip
        shown = await consents.show(opened, connection, "cus_1")
        assert shown.reach.utility == ("granted" if apply else "none")
    assert (shown.consents[1].text, shown.consents[1].proof) == ("I agree", "order 1")
    assert (await consents.show(opened, connection, "cus_2")).reach.ambiguous
    again = await consents.import_file(opened, connection, FILE, SYSTEM, apply=True)
    assert (again.phones, again.consents, again.unchanged) == ((), (), 3)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("cus_1,yes,,", "no_source"),
        ("cus_1,maybe,form,", "unclear"),
        ("cus_1,yes,form,31.3.2026", "no_date"),
        ("cus_1,yes,form,2999-01-01", "future"),
        (",yes,form,", "no_customer"),
    ],
)
async def test_lines_that_are_refused(app: tuple[root.App, Connection], line: str, reason: str) -> None:
    plan = await consents.import_file(*app, f"customer;utility;source;at\n{line}".replace(",", ";"), SYSTEM, apply=True)
    assert [each.reason for each in plan.refused] == [reason]


async def test_a_file_does_not_overrule_what_came_later(app: tuple[root.App, Connection]) -> None:
    opened, connection = app
    await consents.decide(opened, connection, "cus_1", ["utility"], SYSTEM, granted=False, source="stop_word")
    for at, reason in (("2026-01-01", "older"), ("", "undated")):
        text = f"customer,utility,source,at\ncus_1,yes,form,{at}\n"
        plan = await consents.import_file(opened, connection, text, SYSTEM, apply=True)
        assert [each.reason for each in plan.refused] == [reason]
    assert (await consents.show(opened, connection, "cus_1")).reach.utility == "revoked"


@pytest.mark.parametrize("text", ["", "a,b\n1,2", "phone\n1", 'customer\n"unclosed' + "x" * 200_000])
async def test_a_file_that_is_none(app: tuple[root.App, Connection], text: str) -> None:
    with pytest.raises(RequestInvalid):
        await consents.import_file(*app, text, SYSTEM, apply=False)


async def test_a_person_writes_a_consent_down(app: tuple[root.App, Connection]) -> None:
    opened, connection = app
    made = await consents.decide(
        opened, connection, "cus_2", ["utility", "marketing"], SYSTEM, granted=True, source="call", phone="+34612345678"
    )
    assert (made.reach.utility, made.reach.marketing, made.reach.phone_e164) == ("granted", "granted", "+34612345678")
    with pytest.raises(NotFound):
        await consents.decide(opened, connection, "cus_9", ["utility"], SYSTEM, granted=True, source="call")
    with pytest.raises(UsageError):
        await consents.decide(opened, connection, "cus_2", ["utility"], SYSTEM, granted=True, source=" ")
    with pytest.raises(UsageError):
        await consents.decide(opened, connection, "cus_2", ["utility"], SYSTEM, granted=True, source="x", phone="12")
