"""Questions about somebody else: whose payments are asked for is read from the words beside a relative or a name.

That a relative or a name is merely there is no such question ("my wife set this up, which plan do we have?"). A name is
known by its place: after a word of belonging or doing stands one that no language's words, nor a typing error, explain.
"""

import re
from collections.abc import Callable, Mapping

_RELATIVE: Mapping[str, str] = {
    "en": r"wife|husband|neighbou?r\w*|friend\w*|boss|brother|sister|mother|father|mom|mum|dad|colleague\w*|girlfriend|"
    r"boyfriend|ex|partner|son|daughter|roommate|flatmate|uncle|aunt|cousin|landlord|tenant|coworker|clients?|"
    r"customers?|competitor\w*|parents|grand\w+",
    "es": r"esposa|esposo|marido|mujer|vecin[oa]s?|amig[oa]s?|jefe|jefa|herman[oa]s?|madre|padre|hij[oa]s?|novi[oa]|"
    r"colega|companer[oa]|suegr[oa]|prim[oa]|ti[oa]|ex|socio|clientes?|mama|papa|abuel[oa]",
    "pt": r"esposa|marido|mulher|vizinh[oa]s?|amig[oa]s?|chefe|irmao|irma|mae|pai|filh[oa]s?|namorad[oa]|colega|"
    r"sogr[oa]|prim[oa]|ti[oa]|ex|socio|clientes?|avo",
    "de": r"frau|mann|nachbar\w*|freund\w*|chef\w*|bruder\w*|schwester|mutter|vater\w*|sohn\w*|tochter|schwieger\w+|"
    r"kolleg\w*|partner\w*|onkel|tante|cousin\w*|ex|kunden?|mitbewohner\w*",
    "fr": r"femme|mari|voisine?s?|amie?s?|patron\w*|frere|soeur|mere|pere|fils|fille|copain|copine|collegue|"
    r"belle mere|beau pere|cousine?|oncle|tante|ex|clients?|coloc\w*",
}
# `R` stands for a relative, `M` for a first name, `N` for one or a word that nobody knows.
_ASKED: Mapping[str, str] = {
    "en": r"(?:does|did|do|has|have|is|was|of|by) (?:my|our|the|your|this|that|another) (?:\w+ )?R|R s|"
    r"R (?:pay|pays|owe|owes|spend|spends|spent|subscribed)|(?:does|did|do|has) N|N s|"
    r"(?:of|about|by|user|customer|client) N (?:N|\w+$)|(?:user|customer|client|mr|mrs|ms) N|of N$|"
    r"^(?:is|was) N (?:still|subscribed|active|on|paying|behind|overdue|late)|"
    r"^N has|^(?:my|our) R (?:was|is|has|had|got)(?!.* (?:i|we|me|us|my))",
    "es": r"(?:de|tiene|paga|debe|pago|gasta|gasto|a) (?:mi|su|el|la|un|una|otro|otra|tu) (?:otr[oa] )?R|"
    r"R (?:paga|debe|tiene|gasta|pago)|(?:paga|debe|gasta|pago|gasto) (?:N|\w+ N)|N (?:N )?(?:paga|debe|tiene)|"
    r"(?:de|cliente|usuario) N N|^N tiene|de M",
    "pt": r"(?:d[oae]|d[oa] meu|da minha|tem|paga|deve|pagou|gasta|gastou|a|o) (?:meu|minha|seu|sua|um|uma|outr[oa]) R|"
    r"d[oa] R|R (?:paga|deve|tem|gasta|pagou)|(?:paga|deve|gasta|pagou) N|N (?:\w+ )?(?:paga|deve|tem|pagou)|"
    r"^(?:a |o )?N tem|d[aeo] M|(?:d[aoe]|cliente|usuario) N (?:N|d[ao]s? N)",
    "de": r"(?:von|zahlt|schuldet|hat|bezahlt) (?:mein\w*|der|dem|den|dein\w*|ein\w*|ander\w*) (?:ander\w* )?R|"
    r"R (?:zahlt|schuldet|bezahlt)|meine[sr] R|(?:zahlt|schuldet|bezahlt) N|(?:von|kunde|herrn?|frau) N N|"
    r"(?:herrn?|frau) N|^hat N|von M",
    "fr": r"(?:de|d|du|paie|paye|doit|a) (?:mon|ma|mes|un|une|le|la|ton|votre) (?:autre )?R|d une? autre R|"
    r"R (?:paie|paye|doit)|(?:paie|paye|doit) N|(?:de|client|monsieur|madame) N N|N (?:\w+ )?(?:paie|paye|doit)|"
    r"^N a|de M",
}
# First names and some last names that are, look like, or are mended into words of ours.
_NAMED = (
    "john smith johnson bob mike peter paul mary jane alice susan david james tom mark steve sarah brown juan maria "
    "ben ana pedro perez garcia jose luis marta joao silva paulo muller meier schmidt hans pierre jean marie dupont "
    "martin jacques ahmed ali mohammed muhammad fatima aisha omar yusuf ibrahim lisa laura julia lena lukas felix "
    "jonas anna sophie emma hannah thomas stefan michael andreas markus daniel patrick kevin jessica jennifer "
    "ashley amanda melissa nicole stephanie rebecca rachel emily olivia isabella zoe alex sam chris matt josh "
    "andrew joseph brian eric jason ryan jacob nathan ethan noah liam oliver lucas leo hugo louis nicolas antoine "
    "julien camille carlos miguel diego javier pablo sergio fernando ricardo eduardo rafael gabriel joao luiz bruno "
    "thiago beatriz camila fernanda patricia claudia monica carmen lucia elena sofia valentina priya raj arjun "
    "anita chen yuki kenji olga ivan dmitri svetlana "
)
_NAMES = frozenset(_NAMED.split())
_NUMBERED = re.compile(r"\b(?:customer|client|user|cliente|usuario|kunde|kundin|nutzer|utilisateur) \d")
_N = r"\x00!?[a-z]{3,}"
_M = r"\x00![a-z]+"


def _compiled(language: str) -> re.Pattern[str]:
    asked = _ASKED[language].replace("N", _N).replace("M", _M).replace(r"\w+", r"\x00?!?\w+")
    asked = asked.replace("R", rf"\x00?(?:{_RELATIVE[language]})")
    return re.compile(rf"(?:^| )(?:{asked})(?= |$)")


_PATTERNS = {language: _compiled(language) for language in _ASKED}
# Words of the patterns themselves: they stand as they are, whatever a typing error would make of them.
_OWN = {
    language: re.compile("|".join([_RELATIVE[language], *re.findall(r"[a-z]{2,}", _ASKED[language])]))
    for language in _ASKED
}


def asked_for(words: tuple[str, ...], mended: tuple[str, ...], language: str, reads: Callable[[str], bool]) -> bool:
    """Whether the question is about somebody else; `reads`: whether a word is one of the language."""
    own = _OWN[language]
    marked = " ".join(
        f"\x00!{word}"
        if word in _NAMES
        else word
        if own.fullmatch(word)
        else meant
        if meant.isdigit() or reads(meant)
        else f"\x00{meant}"
        for word, meant in zip(words, mended, strict=True)
    )
    return _NUMBERED.search(marked) is not None or _PATTERNS[language].search(marked) is not None
