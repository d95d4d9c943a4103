"""Zones, locales and moments as they are written."""

from datetime import UTC, datetime

import pytest

from bridged.conversation.dates import (
    known_zone,
    locale_for,
    time_matters,
    written_date,
    written_time,
    zone_city,
    zone_for,
    zone_offset,
)

NOW = 1_795_000_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("country", "merchant", "zone"),
    [
        ("FR", "America/New_York", "Europe/Paris"),
        ("DE", "America/New_York", "Europe/Berlin"),
        ("de", None, "Europe/Berlin"),
        ("AR", None, "America/Argentina/Buenos_Aires"),
        ("IN", "Europe/Berlin", "Asia/Kolkata"),
        ("US", "Europe/Berlin", "Europe/Berlin"),
        ("ES", "Europe/Madrid", "Europe/Madrid"),
        ("PT", "America/Sao_Paulo", "America/Sao_Paulo"),
        ("CN", None, "UTC"),
        (None, "Asia/Tokyo", "Asia/Tokyo"),
        ("XX", "Nowhere/Land", "UTC"),
        ("", "../etc/passwd", "UTC"),
    ],
)
def test_the_zone_is_the_customers_where_it_can_be_only_one(
    country: str | None, merchant: str | None, zone: str
) -> None:
    assert zone_for(country, merchant, NOW) == zone


@pytest.mark.parametrize(
    ("preferred", "language", "locale"),
    [
        (["en-US"], "en", "en_US"),
        (["en"], "en", "en_GB"),
        (["pt-PT", "pt-BR"], "pt", "pt_PT"),
        (["de-AT"], "en", "en_GB"),
        (["fr-ZZ"], "fr", "fr_FR"),
        (["de_ch"], "de", "de_CH"),
        (["x" * 99], "es", "es"),
        ([], "es", "es"),
        ([None], "es", "es"),
        (None, "de", "de"),
        ("en-US", "en", "en_GB"),
    ],
)
def test_the_locale_is_the_customers_where_it_fits_the_language(preferred: object, language: str, locale: str) -> None:
    assert locale_for(preferred, language) == locale


@pytest.mark.parametrize(
    ("moment", "zone", "date", "time"),
    [
        ("2026-03-29T00:59:59", "Europe/Berlin", "Sunday, 29 March 2026", "01:59"),
        ("2026-03-29T01:00:00", "Europe/Berlin", "Sunday, 29 March 2026", "03:00"),
        ("2026-10-25T00:30:00", "Europe/Berlin", "Sunday, 25 October 2026", "02:30"),
        ("2026-10-25T01:30:00", "Europe/Berlin", "Sunday, 25 October 2026", "02:30"),
        ("2026-03-08T06:59:00", "America/New_York", "Sunday, 8 March 2026", "01:59"),
        ("2026-03-08T07:00:00", "America/New_York", "Sunday, 8 March 2026", "03:00"),
        ("2026-12-31T10:30:00", "Pacific/Kiritimati", "Friday, 1 January 2027", "00:30"),
        ("2026-12-31T10:30:00", "Pacific/Pago_Pago", "Wednesday, 30 December 2026", "23:30"),
        ("2028-02-29T12:00:00", "Asia/Kolkata", "Tuesday, 29 February 2028", "17:30"),
    ],
)
def test_borders_of_summer_time_and_of_the_date_line(moment: str, zone: str, date: str, time: str) -> None:
    assert (written_date(at(moment), zone, "en_GB"), written_time(at(moment), zone, "en_GB")) == (date, time)


def test_zones_are_named_by_their_city_or_offset() -> None:
    assert zone_city("Europe/Berlin", "pt_BR", NOW) == "Berlim"
    assert zone_city("Africa/Cairo", "fr", NOW) == "Le Caire"
    assert zone_city("America/Argentina/Buenos_Aires", "en_GB", NOW) == "Buenos Aires"
    assert [zone_city(zone, "en_GB", NOW) for zone in ("UTC", "Etc/UTC", "Etc/GMT+5")] == [None] * 3
    assert [zone_offset(zone, NOW) for zone in ("UTC", "Etc/GMT+5", "Asia/Kolkata")] == [
        "UTC",
        "UTC-05:00",
        "UTC+05:30",
    ]
    assert known_zone("Europe/Berlin")
    assert not known_zone("Mars/Base")


def test_the_time_of_day_is_told_where_it_matters() -> None:
    near, far = NOW + 3600, at("2026-12-01T08:00:00")
    late = at("2026-12-01T22:30:00")
    assert time_matters(near, "Europe/Berlin", NOW)
    assert not time_matters(far, "Europe/Berlin", NOW)
    assert time_matters(late, "Europe/Berlin", NOW)
    assert not time_matters(late, "UTC", NOW)


def test_french_counts_the_first_of_a_month_as_an_ordinal() -> None:
    first = at("2026-12-01T08:00:00")
    assert written_date(first, "Europe/Paris", "fr") == "mardi 1er décembre 2026"
    assert written_date(first + 86400, "Europe/Paris", "fr") == "mercredi 2 décembre 2026"
