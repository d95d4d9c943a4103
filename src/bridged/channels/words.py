"""The words that end messages and begin them again, in five languages and more: the whole message, nothing else in it.

"Please stop sending these" is for a person to read; "STOP" is not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Wish = Literal["stop", "start"]
STOP: Mapping[str, tuple[str, ...]] = {
    "en": ("stop", "stopall", "stop all", "unsubscribe", "cancel messages", "opt out", "optout", "end", "quit"),
    "es": ("baja", "alto", "parar", "darme de baja", "dar de baja", "no mas mensajes", "cancelar suscripcion"),
    "pt": ("pare", "parar", "sair", "descadastrar", "cancelar inscricao", "remover", "nao quero mais"),
    "de": ("stopp", "halt", "abmelden", "abbestellen", "keine nachrichten", "austragen"),
    "fr": ("arret", "arreter", "desabonner", "me desabonner", "desinscrire", "se desabonner", "plus de messages"),
    "it": ("ferma", "annulla iscrizione", "disiscrivimi"),
    "ar": ("توقف", "الغاء", "إلغاء"),
}
START: Mapping[str, tuple[str, ...]] = {
    "en": ("start", "unstop", "subscribe", "resume", "opt in", "optin"),
    "es": ("alta", "iniciar", "empezar", "darme de alta", "reanudar", "suscribirme"),
    "pt": ("iniciar", "comecar", "voltar", "retomar", "inscrever"),
    "de": ("start", "anmelden", "starten", "weiter", "fortsetzen"),
    "fr": ("demarrer", "commencer", "reprendre", "reabonner", "me reabonner", "debut"),
    "it": ("inizia", "riprendi", "iscrivimi"),
    "ar": ("ابدأ", "اشتراك"),
}
STOP_PAYLOAD = "bridged:stop"
START_PAYLOAD = "bridged:start"
"""Of the buttons that our own templates carry."""
CONFIRMED: Mapping[str, Mapping[Wish, str]] = {
    "en": {
        "stop": "You will get no more messages from us here. Write START if you change your mind.",
        "start": "You will get our messages here again. Write STOP to end them.",
    },
    "es": {
        "stop": "No recibirás más mensajes nuestros aquí. Escribe ALTA si cambias de opinión.",
        "start": "Volverás a recibir nuestros mensajes aquí. Escribe BAJA para terminarlos.",
    },
    "pt": {
        "stop": "Você não receberá mais mensagens nossas aqui. Escreva INICIAR se mudar de ideia.",
        "start": "Você voltará a receber nossas mensagens aqui. Escreva PARAR para encerrá-las.",
    },
    "de": {
        "stop": "Sie bekommen hier keine Nachrichten mehr von uns. Schreiben Sie START, wenn Sie wieder welche wollen.",
        "start": "Sie bekommen hier wieder Nachrichten von uns. Schreiben Sie STOPP, um sie zu beenden.",
    },
    "fr": {
        "stop": "Vous ne recevrez plus de messages de notre part ici. Écrivez REPRENDRE si vous changez d'avis.",
        "start": "Vous recevrez de nouveau nos messages ici. Écrivez ARRET pour y mettre fin.",
    },
}


@dataclass(frozen=True, slots=True)
class Said:
    """What was wished, and in which language (of those we answer in)."""

    wish: Wish
    language: str


def normal(text: str) -> str:
    """Without case, accents, punctuation and spare room."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(each))
    return " ".join(re.sub(r"[^\w]+", " ", plain).split())


def heard(text: str | None, payload: str | None = None) -> Said | None:
    """The wish in a message, or in the button that was pressed; None in every other."""
    if payload in {STOP_PAYLOAD, START_PAYLOAD}:
        return Said("stop" if payload == STOP_PAYLOAD else "start", "en")
    return _KNOWN.get(normal(text or "")) or _KNOWN.get(normal(payload or ""))


def confirmation(said: Said) -> str:
    """What is answered, once."""
    return CONFIRMED[said.language][said.wish]


def _known() -> dict[str, Said]:
    """Ending comes first: of a word that is both in two languages, the cautious meaning counts."""
    known: dict[str, Said] = {}
    wishes: tuple[tuple[Wish, Mapping[str, tuple[str, ...]]], ...] = (("stop", STOP), ("start", START))
    for wish, table in wishes:
        for language, words in table.items():
            for word in words:
                known.setdefault(normal(word), Said(wish, language if language in CONFIRMED else "en"))
    return known


_KNOWN = _known()
