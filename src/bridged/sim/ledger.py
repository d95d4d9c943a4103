"""The merchant's money: balance transactions, what is pending and available, payouts."""

from __future__ import annotations

from fractions import Fraction
from heapq import heappop, heappush

from bridged.sim import agenda, money
from bridged.sim.objects import payments
from bridged.sim.periods import DAY
from bridged.sim.store import Account, Obj

SETTLING_DAYS = 3


def settlement(account: Account, currency: str) -> str:
    """The currency in which money of `currency` reaches the merchant's balance."""
    own: list[str] = account.hidden.get("settles", [account.details.get("default_currency", currency)])
    return currency if currency in own else own[0]


def book(account: Account, amount: int, currency: str, type_: str, source: str, fee: int = 0) -> Obj:
    """Enters a movement in the settlement currency; it becomes available some days later. `fee` is in `currency`."""
    target = settlement(account, currency)
    now = account.clock.now
    ready = now - now % DAY + SETTLING_DAYS * DAY
    movement = payments.balance_transaction(
        account,
        money.convert(amount, currency, target),
        target,
        type_,
        source,
        fee=money.convert(fee, currency, target),
        available_on=ready,
        exchange_rate=None if target == currency else float(money.rate(currency, target)),
    )
    account.create("balance_transactions", movement)
    heappush(account.hidden.setdefault("settling", []), (ready, movement["id"]))
    agenda.push(account, ready, "ledger", "balance")
    move(account, target, pending=movement["net"])
    return movement


def charge_fee(amount: int, currency: str) -> int:
    """1.5 % and about 25 euro cents."""
    return money.rounded(Fraction(amount * 15, 1000) + money.convert(25, "eur", currency), currency)


def waiting(account: Account) -> dict[str, list[str]]:
    """Available balance transactions not yet paid out, by currency."""
    return account.hidden.setdefault("waiting", {})


def move(account: Account, currency: str, *, pending: int = 0, available: int = 0) -> None:
    """Changes what `GET /v1/balance` shows."""
    default: str = account.details.get("default_currency", currency)
    sums: dict[str, list[int]] = account.hidden.setdefault("sums", {default: [0, 0]})
    old = sums.get(currency, [0, 0])
    sums[currency] = [old[0] + pending, old[1] + available]
    account.balance = {
        "object": "balance",
        "available": [amount_of(name, pair[1]) for name, pair in sums.items()],
        "connect_reserved": [{"amount": 0, "currency": default}],
        "livemode": account.livemode,
        "pending": [amount_of(name, pair[0]) for name, pair in sums.items()],
    }


def available(account: Account, currency: str) -> int:
    return account.hidden.get("sums", {}).get(currency, [0, 0])[1]


def amount_of(currency: str, amount: int) -> Obj:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def release(account: Account, movement_id: str) -> None:
    """Makes a balance transaction available."""
    movement = account.update("balance_transactions", movement_id, {"status": "available"})
    currency, net = movement["currency"], movement["net"]
    waiting(account).setdefault(currency, []).append(movement_id)
    move(account, currency, pending=-net, available=net)


def wake(account: Account, _object_id: str) -> None:
    """Moves what has settled to the available balance, then pays out if the schedule says so."""
    now, settling = account.clock.now, account.hidden.setdefault("settling", [])
    moved = False
    while settling and settling[0][0] <= now:
        release(account, heappop(settling)[1])
        moved = True
    if moved:
        account.emit("balance.available", account.balance)
    if payout_day(account):
        for currency in sorted(waiting(account)):
            pay_out(account, currency)


def payout_day(account: Account) -> bool:
    schedule: Obj = account.details.get("settings", {}).get("payouts", {}).get("schedule", {})
    if schedule.get("interval") == "manual":
        return False
    monday = (account.clock.now // DAY + 3) % 7 == 0
    return schedule.get("interval", "daily") == "daily" or monday


def pay_out(account: Account, currency: str) -> None:
    """Sends the available balance to the bank; it arrives two days later."""
    amount = available(account, currency)
    if amount <= 0:
        return
    arrival = account.clock.now + 2 * DAY
    payout = payments.payout(account, amount, currency, arrival_date=arrival, destination=bank(account, currency))
    movement = payments.balance_transaction(account, -amount, currency, "payout", payout["id"], status="available")
    account.create("balance_transactions", movement)
    for covered in (*waiting(account).pop(currency), movement["id"]):
        account.update("balance_transactions", covered, {"_payout": payout["id"]})
    move(account, currency, available=-amount)
    account.create("payouts", {**payout, "balance_transaction": movement["id"]}, "payout.created")
    agenda.push(account, arrival, "payout", payout["id"])


def bank(account: Account, currency: str) -> str:
    """The merchant's bank account for a currency."""
    banks: dict[str, str] = account.hidden.setdefault("banks", {})
    if currency not in banks:
        banks[currency] = account.next_id("ba")
    return banks[currency]


def wake_payout(account: Account, payout_id: str) -> None:
    """A payout arrives; now and then the bank sends it back two days after it was called paid."""
    payout = account.collection("payouts").objects[payout_id]
    if payout["status"] == "in_transit":
        account.update("payouts", payout_id, {"status": "paid"}, "payout.updated")
        done = account.update("payouts", payout_id, {"reconciliation_status": "completed"})
        account.emit("payout.paid", done)
        account.emit("payout.reconciliation_completed", done)
        if account.random.random() < 0.03:
            agenda.push(account, account.clock.now + 2 * DAY, "payout", payout_id)
    elif payout["status"] == "paid":
        bounce(account, payout)


def bounce(account: Account, payout: Obj) -> None:
    """The bank refuses: the money comes back to the available balance."""
    movement = payments.balance_transaction(
        account, payout["amount"], payout["currency"], "payout_failure", payout["id"]
    )
    account.create("balance_transactions", movement)
    move(account, payout["currency"], pending=payout["amount"])
    release(account, movement["id"])
    why: Obj = {"failure_code": "account_closed", "failure_message": "The bank account has been closed."}
    failed: Obj = {"status": "failed", "failure_balance_transaction": movement["id"], **why}
    account.update("payouts", payout["id"], failed, "payout.updated")
    account.emit("payout.failed", account.collection("payouts").objects[payout["id"]])
    tomorrow = account.clock.now - account.clock.now % DAY + DAY
    agenda.push(account, tomorrow, "ledger", "balance")
