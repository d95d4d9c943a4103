"""Invented people from many countries, with names, addresses, phones and languages that test whoever prints them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bridged.sim.objects.customers import address
from bridged.sim.store import Obj


@dataclass(frozen=True)
class Land:
    """`phone`: # is any digit, + stays. `locales` as in `preferred_locales`."""

    code: str
    currency: str
    phone: str
    locales: tuple[str, ...]
    places: tuple[tuple[str, str, str], ...]
    given: tuple[str, ...]
    family: tuple[str, ...]


LANDS = (
    Land(
        "DE",
        "eur",
        "+49151########",
        ("de",),
        (("Köln", "Aachener Straße 12", "50674"), ("Berlin", "Weserstraße 201", "12047")),
        ("Jürgen", "Anneliese", "Göksu", "Björn"),
        ("Müller", "Groß", "Weiß-Öztürk", "Schäfer"),
    ),
    Land(
        "FR",
        "eur",
        "+3361#######",
        ("fr", "en"),
        (("Orléans", "3 rue de l'Écluse", "45000"), ("Besançon", "8 quai Vauban", "25000")),
        ("Zoé", "François", "Anaïs", "Loïc"),
        ("Lefèvre", "D'Ambrosio", "Nuñez", "Brûlé"),
    ),
    Land(
        "ES",
        "eur",
        "+346########",
        ("es",),
        (("A Coruña", "Rúa Real 4", "15003"), ("Málaga", "Calle Larios 9", "29005")),
        ("Íñigo", "María José", "Begoña", "Ángel"),
        ("Peña", "Ibáñez", "García-Lorca", "Muñoz"),
    ),
    Land(
        "IT",
        "eur",
        "+39333#######",
        ("it",),
        (("Forlì", "Via Giorgina Saffi 5", "47121"), ("Bari", "Corso Cavour 11", "70122")),
        ("Nicolò", "Chiara", "Gioacchino", "Lucía"),
        ("Esposito", "De Sanctis", "Muccì", "Rossi"),
    ),
    Land(
        "US",
        "usd",
        "+14152######",
        ("en-US",),
        (("San Francisco", "510 Townsend St", "94103"), ("Austin", "1100 Congress Ave", "78701")),
        ("Jenny", "Malik", "Siobhán", "José"),
        ("Rosen", "O'Neill", "van der Berg", "Nguyễn"),
    ),
    Land(
        "GB",
        "gbp",
        "+447400######",
        ("en-GB",),
        (("London", "221B Baker Street", "NW1 6XE"), ("Cardiff", "2 Heol Fawr", "CF10 1AA")),
        ("Rhys", "Priya", "Saoirse", "Alasdair"),
        ("Llywelyn", "Smith-Jones", "MacDonald", "Patel"),
    ),
    Land(
        "JP",
        "jpy",
        "+8190########",
        ("ja",),
        (("渋谷区", "神宮前1-2-3", "150-0001"), ("大阪市", "北区梅田2-4", "530-0001")),
        ("太郎", "さくら", "健一", "美咲"),
        ("山田", "渡邉", "髙橋", "小野寺"),
    ),
    Land(
        "KR",
        "krw",
        "+8210########",
        ("ko",),
        (("서울", "세종대로 110", "04524"), ("부산", "해운대로 99", "48058")),
        ("민준", "서연", "지우", "하은"),
        ("김", "이", "박", "최"),
    ),
    Land(
        "KW",
        "kwd",
        "+9655#######",
        ("ar", "en"),
        (("مدينة الكويت", "شارع فهد السالم 7", "13001"),),
        ("فاطمة", "عبد الله", "نورة"),
        ("الصباح", "العجمي", "المطيري"),
    ),
    Land(
        "BH",
        "bhd",
        "+9733#######",
        ("ar",),
        (("المنامة", "طريق الملك فيصل 21", "319"),),
        ("مريم", "خالد", "يوسف"),
        ("الخليفة", "الدوسري"),
    ),
    Land(
        "IS",
        "isk",
        "+354611####",
        ("is", "en"),
        (("Reykjavík", "Laugavegur 5", "101"),),
        ("Þórunn", "Ægir", "Björk"),
        ("Guðmundsdóttir", "Jónsson"),
    ),
    Land(
        "UG",
        "ugx",
        "+25677#######",
        ("en",),
        (("Kampala", "Plot 4 Acacia Ave", "00256"),),
        ("Nakato", "Wasswa"),
        ("Okello", "Nansubuga"),
    ),
    Land(
        "BR",
        "brl",
        "+55119########",
        ("pt-BR",),
        (("São Paulo", "Av. Paulista 1578", "01310-200"),),
        ("João", "Conceição", "Tainá"),
        ("da Silva", "Gonçalves", "Araújo"),
    ),
    Land(
        "IN",
        "inr",
        "+9198########",
        ("en-IN", "hi"),
        (("मुंबई", "१२ मरीन ड्राइव", "400020"), ("Bengaluru", "MG Road 45", "560001")),
        ("आरव", "Lakshmi", "Priyanka"),
        ("शर्मा", "Iyer", "Subramaniam"),
    ),
    Land(
        "PL",
        "pln",
        "+48512######",
        ("pl",),
        (("Łódź", "Piotrkowska 77", "90-423"),),
        ("Łukasz", "Małgorzata"),
        ("Wiśniewski", "Źdźbło"),
    ),
    Land(
        "SE",
        "sek",
        "+4670#######",
        ("sv",),
        (("Malmö", "Södergatan 3", "211 34"),),
        ("Åsa", "Håkan"),
        ("Sjöström", "Öberg"),
    ),
    Land(
        "CH",
        "chf",
        "+4179#######",
        ("de-CH", "fr-CH"),
        (("Zürich", "Bahnhofstrasse 1", "8001"),),
        ("Urs", "Noëmi"),
        ("Bühler", "Rüegg"),
    ),
    Land(
        "MX",
        "mxn",
        "+52552#######",
        ("es-419",),
        (("Ciudad de México", "Av. Juárez 8", "06010"),),
        ("Xóchitl", "Raúl"),
        ("Núñez", "Güemes"),
    ),
    Land(
        "HU",
        "huf",
        "+3620#######",
        ("hu",),
        (("Győr", "Baross Gábor út 2", "9021"),),
        ("Erzsébet", "Gergő"),
        ("Szőke", "Fűzfa"),
    ),
    Land(
        "TW", "twd", "+88691#######", ("zh-TW",), (("臺北市", "信義路五段7號", "110"),), ("雅婷", "志豪"), ("陳", "林")
    ),
    Land("IL", "usd", "+97252#######", ("he",), (("תל אביב", "רוטשילד 1", "66881"),), ("נועה", "יוסי"), ("כהן", "לוי")),  # noqa: RUF001
)

MAILBOXES = ("kunde", "Hola", "user", "müller", "info")
MAIL_HOSTS = ("example.com", "example.org", "bücher.example")
EASTERN = ("JP", "KR", "TW", "HU")
FLOURISHES = ("", "", "", "", "", "", "", " 🌸", " GmbH & Co. KG", ' "VIP"', "\u200f")


def phone_number(rng: random.Random, pattern: str) -> str:
    return "".join(str(rng.randrange(10)) if sign == "#" else sign for sign in pattern)


def full_name(rng: random.Random, land: Land) -> str:
    given, family = rng.choice(land.given), rng.choice(land.family)
    name = f"{family} {given}" if land.code in EASTERN else f"{given} {family}"
    return name + rng.choice(FLOURISHES)


def person(rng: random.Random, land: Land, number: int) -> Obj:
    """The fields of a customer object; some people leave out phone, address or languages."""
    city, street, code = rng.choice(land.places)
    name = full_name(rng, land)
    metadata: Obj = {"crm_id": f"C-{number:06d}"} | (
        {"segment": rng.choice(("smb", "école", "企業"))} if number % 3 == 0 else {}
    )
    return {
        "name": name,
        "email": f"{rng.choice(MAILBOXES)}.{number}@{rng.choice(MAIL_HOSTS)}",
        "phone": None if number % 11 == 0 else phone_number(rng, land.phone),
        "address": None if number % 13 == 0 else address(land.code, city, street, code),
        "preferred_locales": list(land.locales) if number % 5 else [],
        "metadata": metadata if number % 4 else {},
        "description": f"Customer {number}" if number % 6 == 0 else None,
    }
