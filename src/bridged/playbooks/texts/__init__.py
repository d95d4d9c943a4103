"""The texts of the built-in playbooks, one module per language, all with the same keys and parameters.

They are written to pass as WhatsApp templates: utility texts speak only of what the customer has bought, and no
parameter stands at an end.
"""

from collections.abc import Mapping

from bridged.playbooks.texts import de, en, es, fr, pt

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": en.TEXTS,
    "es": es.TEXTS,
    "pt": pt.TEXTS,
    "de": de.TEXTS,
    "fr": fr.TEXTS,
}
FOOTERS: Mapping[str, str] = {
    "en": "Reply STOP for no more messages of this kind.",
    "es": "Responda BAJA para no recibir más mensajes así.",
    "pt": "Responda PARAR para não receber mais mensagens assim.",
    "de": "Antworten Sie STOPP, um keine mehr zu erhalten.",
    "fr": "Répondez STOP pour ne plus en recevoir.",
}
"""Under marketing texts; WhatsApp takes 60 characters at most."""
