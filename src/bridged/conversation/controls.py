"""What steers the conversation instead of asking: stop, start, help, a person, thanks, a code, a language."""

import re
from collections.abc import Mapping

from bridged.conversation.text import words_of

CONTROLS = ("stop", "start", "help", "human", "greeting", "thanks", "verify", "language", "yes", "no")

# Whole messages, but for words that add nothing.
_WHOLE: Mapping[str, str] = {
    "stop": "stop,stopp,stopall,stop all,unsubscribe,opt out,optout,stop messages,stop messaging me,"
    "stop texting me,no more messages,para,parar,alto,baja de mensajes,no me escribas mas,"
    "no mas mensajes,pare,sair,descadastrar,chega de mensagens,nao me mande mais mensagens,abmelden,"
    "stop bitte,keine nachrichten mehr,aufhoren,arret,arreter,arretez,stop svp,plus de messages",
    "start": "start,unstop,subscribe,opt in,iniciar,reanudar,comecar,voltar,anmelden,starten,demarrer,"
    "reprendre,recommencer",
    "help": "help,help me,menu,options,what can you do,what can i ask,how does this work,commands,info,"
    "ayuda,ayudame,opciones,que puedes hacer,que puedo preguntar,como funciona,ajuda,me ajuda,opcoes,"
    "o que voce faz,o que voce pode fazer,hilfe,hilf mir,optionen,was kannst du,was kann ich fragen,"
    "aide,aidez moi,aide moi,que peux tu faire,que pouvez vous faire",
    "human": "human,agent,person,representative,operator,real person,a human,an agent,support,"
    "customer service,humano,persona,agente,asesor,operador,soporte,pessoa,atendente,suporte,"
    "mensch,mitarbeiter,berater,kundenservice,humain,conseiller,une personne,un conseiller,un agent,"
    "service client",
    "greeting": "hi,hello,hey,hiya,good morning,good afternoon,good evening,good day,hola,buenas,buenos dias,"
    "buenas tardes,buenas noches,que tal,oi,ola,bom dia,boa tarde,boa noite,tudo bem,hallo,"
    "guten morgen,guten tag,guten abend,moin,servus,gruss gott,bonjour,salut,bonsoir,coucou,"
    "hello there,hi there,hey there,oi tudo bem,hola que tal",
    "thanks": "thanks,thank you,thx,ty,cheers,great thanks,ok thanks,perfect,great,gracias,muchas gracias,"
    "mil gracias,perfecto,ok gracias,obrigado,obrigada,muito obrigado,muito obrigada,valeu,brigado,"
    "perfeito,danke,vielen dank,danke schon,danke sehr,super danke,ok danke,perfekt,merci,"
    "merci beaucoup,parfait,super merci,ok merci,thank you so much,thank you very much,thanks a lot,"
    "bye,goodbye,adios,tchau,tschuss,au revoir",
    "yes": "yes,yep,yeah,y,sure,ok,okay,yes please,correct,si,claro,vale,si por favor,sim,isso,ja,"
    "jawohl,ja bitte,genau,oui,ouais,d accord,oui svp",
    "no": "no,nope,n,no thanks,not now,no gracias,nao,nao obrigado,nein,nein danke,non,non merci",
}
_PLAIN = frozenset(
    [
        "please",
        "pls",
        "a",
        "the",
        "there",
        "again",
        "sir",
        "madam",
        "team",
        "all",
        "everyone",
        "por",
        "favor",
        "porfa",
        "um",
        "uma",
        "o",
        "bitte",
        "mal",
        "s",
        "il",
        "vous",
        "plait",
        "svp",
        "stp",
        "und",
        "y",
        "e",
        "et",
        "and",
        "now",
        "jetzt",
        "ahora",
        "agora",
        "maintenant",
    ]
)
_FOUND = {phrase.strip(): control for control, listed in _WHOLE.items() for phrase in listed.split(",")}
_MOST = 6

# Asked for in a sentence: a verb of speaking or wanting, and a person.
_HUMAN = re.compile(
    r"\b(?:speak|talk|chat|call|connect|transfer|put me|get me|want|need|let me|give me|reach|contact|"
    r"escalate|is there|"
    r"hablar|comunic\w*|pas\w*|quiero|necesito|contactar|atend\w*|"
    r"falar|conversar|quero|preciso|transfer\w*|chamar|me passa|"
    r"sprechen|reden|verbind\w*|mochte|moechte|will|brauche|erreichen|kontakt\w*|"
    r"parler|discuter|joindre|contacter|veux|voudrais|besoin|passez)\b.{0,30}?\b"
    r"(?:human\w*|person|people|agent|representative|operator|someone|somebody|support|staff|employee|manager|real one|"
    r"persona|humano|agente|asesor\w*|operador\w*|alguien|soporte|encargado|"
    r"pessoa|atendente|alguem|suporte|gerente|"
    r"mensch\w*|person|mitarbeiter\w*|berater\w*|jemand\w*|kundenservice|kundendienst|"
    r"ansprechpartner|"
    r"humain|personne|conseiller\w*|quelqu un|responsable|service client)\b"
    r"|\b(?:not a (?:bot|robot|machine)|no (?:bot|robot)|real (?:human|person|agent)|persona real|pessoa real|"
    r"echte\w* mensch\w*|"
    r"vraie personne|keine? (?:bot|roboter|maschine))\b"
)
_CODE = re.compile(
    r"(?:(?:my|the|code|codigo|cod|pin|otp|is|es|e|est|ist|lautet|here|mein|mi|meu|mon|el|o|le|der)\W+)*"
    r"(\d{3}[ -]?\d{3})\W*"
)
_LANGUAGES: Mapping[str, str] = {
    "en": "english,ingles,englisch,anglais,inglese",
    "es": "spanish,espanol,castellano,spanisch,espagnol,espanhol",
    "pt": "portuguese,portugues,portugiesisch,portugais,brazilian",
    "de": "german,deutsch,aleman,allemand,alemao",
    "fr": "french,francais,frances,franzosisch,franzoesisch",
}
_NAMED = {name: code for code, listed in _LANGUAGES.items() for name in listed.split(",")}
_SPEAK = frozenset(
    [
        "in",
        "en",
        "em",
        "auf",
        "language",
        "idioma",
        "sprache",
        "langue",
        "lingua",
        "speak",
        "habla",
        "hablar",
        "fala",
        "falar",
        "sprich",
        "sprechen",
        "parle",
        "parler",
        "parlez",
        "change",
        "switch",
        "to",
        "cambia",
        "cambiar",
        "a",
        "mudar",
        "para",
        "wechsel",
        "wechseln",
        "zu",
        "change",
        "passer",
        "please",
        "por",
        "favor",
        "bitte",
        "svp",
        "can",
        "you",
        "puedes",
        "pode",
        "kannst",
        "du",
        "peux",
        "tu",
        "answer",
        "reply",
        "write",
        "responde",
        "antworte",
        "reponds",
        "do",
        "i",
        "want",
        "quiero",
        "quero",
        "ich",
        "mochte",
        "je",
        "veux",
        "no",
        "not",
        "only",
        "solo",
        "so",
        "nur",
        "s",
        "il",
        "vous",
        "plait",
        "me",
        "mir",
    ]
)


def control_of(text: str) -> tuple[str, Mapping[str, tuple[str, ...]]] | None:
    """The control a whole message is, and its slots (`code`, `language`); None: it is none."""
    code = _CODE.fullmatch(text.strip().lower())
    if code:
        return "verify", {"code": (re.sub(r"\D", "", code[1]),)}
    words = words_of(text)
    named = {_NAMED[word] for word in words if word in _NAMED}
    if len(named) == 1 and all(word in _NAMED or word in _SPEAK for word in words):
        return "language", {"language": tuple(named)}
    if not words or len(words) > _MOST * 3:
        return None
    found = _FOUND.get(" ".join(words)) or _FOUND.get(" ".join(word for word in words if word not in _PLAIN))
    if found is not None and len(words) <= _MOST:
        return found, {}
    return ("human", {}) if _HUMAN.search(" ".join(words)) else None
