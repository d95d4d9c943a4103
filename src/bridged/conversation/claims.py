"""Words that claim something, by language: an answer said in other words may neither add such a claim nor drop one.

Each line is one claim in all the ways it may be worded, without accents: words and phrases separated by commas, `*`
for any ending. Words of several lines count for each. What stands in no line (greetings, small words) is free.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

_EN: Mapping[str, str] = {
    "overdue": "overdue, past due, late, behind, arrears",
    "failed": "fail*, did not go through, didn't go through, declin*, unsuccessful*, reject*, bounce*, "
    "was not possible",
    "automatic": "automatic*, by itself, on its own, auto*",
    "manual": "yourself, manual*",
    "trial": "trial*",
    "pause": "paus*, hold, resum*, freez*, frozen, suspend*",
    "end": "end, ends, ended, ending, cancel*, terminat*, expir*, laps*, stop*, discontinu*, clos*",
    "refund": "refund*, reimburs*, money back, return*, chargeback*, disput*",
    "paid": "paid, received, booked, settled, cleared, succeed*, success*, went through, completed, already",
    "free": "free, gratis, waiv*, complimentary, at no cost, on us",
    "discount": "discount*, coupon*, voucher*, promo*, cheaper, saving*, offer*, bonus*, reward*, gift*, "
    "credit*, win, won",
    "fee": "fee, fees, penalt*, interest, surcharg*, tax*, vat, fine*, extra*",
    "processing": "under way, underway, process*, prepar*, pending",
    "confirm": "confirm*, approv*, authori*, verif*",
    "bank": "bank*, wire*, transfer*, iban",
    "method": "payment method*, wallet*, paypal, crypto*, bitcoin*, account*",
    "card": "card*, visa, mastercard, amex",
    "person": "person*, human*, colleague*, agent*, staff, team*, somebody, someone, manager*, admin*",
    "contact": "call, calls, phone*, e-mail*, email*, sms, telegram, message*, write, reply, replies, visit*, website*",
    "link": "link*, url*, click*, tap, browser*, dot com, com, http*, www, site*, pay here, here",
    "secret": "password*, passcode*, code, codes, pin, cvc, cvv, login*, log in, sign in, credential*, secret*, "
    "key, keys",
    "legal": "legal*, lawyer*, court*, debt*, collection*, sue, sued, police, fraud*, stolen, guarantee*, promis*",
    "may": "may, might, could, possibl*, perhaps, maybe, expected, likely",
    "change": "chang*, vary, differ*, updat*, upgrad*, downgrad*",
    "hedge": "about, around, approximately, roughly, some, nearly, almost, circa, at least, at most, up to, "
    "over, under",
    "soon": "shortly, soon, in a moment, right away, immediately, now, any moment",
    "before": "before, prior, earlier, ahead",
    "after": "after*, following, later",
    "until": "until, till, up until",
    "since": "since",
    "day": "day, days, daily, week*, fortnight*, month*, quarter*, year*, annual*, hour*, minute*, morning*, evening*",
    "relative": "today, tomorrow, yesterday, tonight, next week, next month, last week, last month, noon, midnight",
    "again": "again, retr*, another attempt, once more",
    "customer": "other customer*, another customer*, other people, somebody else, someone else",
    "delete": "delet*, remov*, eras*, block*, lock*",
    "ignore": "ignor*, disregard*, skip*, forget*, relax*, mistake*, error*, wrong",
    "receive": "receiv*, get, gets, getting, earn*, deposit*, payout*, we owe, we pay, pay you, send you, owe you",
    "optional": "optional*, voluntar*, if you like, if you want, if you wish, feel free, whenever, required, mandatory",
    "give": "tell us, send us, give us, share*, provide*, submit*, enter*, ask, asks, send, sends, forward*",
    "past": "was, were, has been, have been, had, did, went, got",
    "last": "last, final*, only, never again, once",
    "insult": "scam*, cheat*, stupid, thie*, steal*, liar*, lying, sue",
}
_ES: Mapping[str, str] = {
    "overdue": "vencid*, atras*, retraso, moros*",
    "failed": "fall*, no se pudo, no pudo, rechaz*, deneg*, sin exito",
    "automatic": "automatic*, por si sol*, solo",
    "manual": "tu mism*, manual*",
    "trial": "prueba*",
    "pause": "paus*, suspend*, suspens*, reanud*, congel*",
    "end": "termin*, finaliz*, fin, acab*, cancel*, caduc*, expir*, cierr*, deja*",
    "refund": "reembols*, devol*, disput*, contracargo*",
    "paid": "pagad*, recibid*, registr*, cobrad*, liquidad*, completad*, exito*, ya",
    "free": "gratis, gratuit*, condon*, perdon*, sin coste, sin costo",
    "discount": "descuent*, cupon*, promo*, rebaj*, oferta*, bono*, regal*, premi*, credit*, gan*",
    "fee": "comision*, recarg*, interes*, impuest*, iva, penaliz*, multa*, extra*",
    "processing": "en curso, proces*, prepar*, tramit*, pendiente de",
    "confirm": "confirm*, aprob*, autori*, verific*, revis*",
    "bank": "banc*, transfer*, iban",
    "method": "metodo de pago, metodos de pago, forma de pago, paypal, cripto*, cuenta*",
    "card": "tarjeta*, visa, mastercard, amex",
    "person": "persona*, human*, colega*, agente*, equipo*, alguien, companer*, encargad*, admin*",
    "contact": "llam*, telefono*, correo*, email*, e-mail*, sms, telegram, mensaj*, escrib*, respond*, visit*, web",
    "link": "enlace*, url*, clic*, puls*, sitio*, punto com, com, http*, www, pagar aqui, pagarlo aqui, aqui",
    "secret": "contrasen*, clave*, codigo*, pin, cvc, cvv, credencial*, secret*",
    "legal": "legal*, abogad*, juzgado*, tribunal*, deud*, demand*, policia, fraud*, robad*, garant*, promet*",
    "may": "puede que, podria*, quiza*, tal vez, posib*, quizas, prevé, previst*",
    "change": "cambi*, vari*, modific*, actualiz*",
    "hedge": "aproximad*, alrededor, unos, unas, cerca, casi, al menos, como maximo, hasta, mas de, menos de",
    "soon": "pronto, en breve, enseguida, ahora, inmediat*, de inmediato, en cualquier momento",
    "before": "antes, previ*",
    "after": "despues, luego, tras, mas tarde, mas adelante",
    "until": "hasta",
    "since": "desde",
    "day": "dia, dias, diari*, seman*, mes, meses, mensual*, trimestr*, ano, anos, anual*, hora, horas, minut*",
    "relative": "hoy, manana, ayer, anoche, esta noche, pasado manana, mediodia, medianoche",
    "again": "de nuevo, nuevo intento, otra vez, volver* a, reintent*",
    "customer": "otro client*, otra client*, otros client*, otras personas, otra persona",
    "delete": "borr*, elimin*, bloque*",
    "ignore": "ignor*, omit*, olvid*, descart*, error*, equivoc*",
    "receive": "recib*, te debemos, te pagamos, ingres*, abon*, a tu favor, ganar*",
    "optional": "opcional*, voluntari*, si quieres, si deseas, cuando quieras, obligatori*",
    "give": "envia*, mandan*, danos, dinos, facilit*, introduc*, compart*, comparte",
    "past": "fue, fueron, era, ha sido, han sido, se cobro, se pago, vencio, hemos cobrado, habia",
    "last": "ultim*, final*, unic*, solamente, solo",
    "insult": "estaf*, timo, engan*, ladron*, mentir*, tont*",
}
_PT: Mapping[str, str] = {
    "overdue": "vencid*, atras*, mora, inadimpl*",
    "failed": "falh*, nao foi concluid*, nao foi possivel, recus*, negad*, rejeit*, sem sucesso",
    "automatic": "automatic*, sozinh*",
    "manual": "voce mesm*, manual*",
    "trial": "teste*, avaliacao, experiment*",
    "pause": "paus*, suspend*, suspens*, retom*, congel*",
    "end": "termin*, encerr*, fim, acab*, cancel*, expir*, finaliz*, fech*",
    "refund": "reembols*, estorn*, devol*, disput*, contesta*",
    "paid": "pago com, paga, pagas, pagos, recebid*, registr*, liquidad*, concluid*, sucesso, ja",
    "free": "gratis, gratuit*, perdoad*, isent*, sem custo",
    "discount": "descont*, cupom, cupons, promo*, oferta*, bonus, brinde*, premi*, credit*, ganh*",
    "fee": "taxa*, tarifa*, juro*, imposto*, multa*, acrescim*, extra*",
    "processing": "em andamento, process*, prepar*",
    "confirm": "confirm*, aprov*, autoriz*, verific*, revis*",
    "bank": "banc*, transfer*, iban, pix",
    "method": "forma de pagamento, formas de pagamento, meio de pagamento, metodo de pagamento, paypal, conta",
    "card": "cartao, cartoes, visa, mastercard, amex",
    "person": "pessoa*, human*, colega*, atendente*, equipe*, alguem, gerente*, admin*",
    "contact": "ligu*, ligar, telefon*, email*, e-mail*, sms, telegram, mensag*, escrev*, respond*, visit*, web",
    "link": "link*, url*, cliqu*, clicar, toque, site*, ponto com, com br, http*, www, pagar aqui, aqui",
    "secret": "senha*, codigo*, pin, cvc, cvv, credencia*, segred*, chave*",
    "legal": "legal*, advogad*, juiz*, tribunal*, divida*, process* judicia*, policia, fraud*, roubad*, "
    "garant*, promet*",
    "may": "pode ser, podera*, poderia*, talvez, possiv*, previst*, pode vir, podem",
    "change": "mud*, vari*, alter*, modific*, atualiz*",
    "hedge": "cerca, aproximad*, por volta, uns, umas, quase, ao menos, no maximo, ate, mais de, menos de",
    "soon": "em breve, logo, agora, ja ja, imediat*, a qualquer momento",
    "before": "antes, previament*",
    "after": "depois, apos, mais tarde, posterior*",
    "until": "ate",
    "since": "desde",
    "day": "dia, dias, diari*, seman*, mes, meses, mensa*, trimestr*, ano, anos, anual*, hora, horas, minut*",
    "relative": "hoje, amanha, ontem, esta noite, meio-dia, meia-noite",
    "again": "de novo, novamente, nova tentativa, outra vez, tentar* novament*",
    "customer": "outro client*, outra client*, outros client*, outras pessoas, outra pessoa",
    "delete": "apag*, exclu*, remov*, bloque*",
    "ignore": "ignor*, desconsider*, esquec*, descart*, erro, erros, engan*",
    "receive": "receb*, te devemos, pagamos a voce, deposit*, credit*, a seu favor",
    "optional": "opcional*, voluntari*, se quiser, se desejar, quando quiser, obrigatori*",
    "give": "envie*, mande*, nos diga, nos de, forne*, informe*, digite*, compartilh*",
    "past": "foi, foram, era, tinha, venceu, cobramos, havia, tem sido",
    "last": "ultim*, final, finais, unic*, somente, apenas",
    "insult": "golpe*, fraude*, ladra*, ladro*, mentir*, burr*",
}
_DE: Mapping[str, str] = {
    "overdue": "uberfallig*, verspat*, verzug, ruckstand*",
    "failed": "fehlgeschlagen*, fehlschl*, gescheitert*, abgelehnt*, nicht geklappt, erfolglos*, zuruckgewiesen*",
    "automatic": "automatisch*, von selbst, von allein*",
    "manual": "sie selbst, selber, manuell*, sie sie selbst",
    "trial": "test*, probe*",
    "pause": "paus*, ruht, ruhen, ausgesetzt, fortgesetzt, fortsetz*, wiederaufn*, wieder aufgenomm*",
    "end": "end*, beend*, gekundig*, kundig*, ablauf*, abgelaufen*, lauft ab, verfall*, verfallt, schluss, erlisch*",
    "refund": "erstatt*, ruckerstatt*, zuruckgezahl*, ruckzahl*, ruckbuch*, reklam*",
    "paid": "bezahlt, gezahlt, eingegangen, verbucht, gebucht, beglichen, erfolgreich*, erhalten, bereits, schon",
    "free": "kostenlos*, gratis, umsonst, kostenfrei*, erlassen",
    "discount": "rabatt*, gutschein*, aktion*, angebot*, bonus*, geschenk*, gutschrift*, guthaben, gewinn*, gewonnen",
    "fee": "gebuhr*, zins*, steuer*, mwst, strafe*, mahn*, zuschlag*, zusatz*",
    "processing": "verarbeit*, vorbereit*, in arbeit, lauft, laufen",
    "confirm": "bestatig*, genehmig*, freigeb*, pruf*, verifiz*",
    "bank": "bank*, uberweis*, iban",
    "method": "zahlungsmethod*, zahlungsmittel*, zahlungsart*, paypal, krypto*, konto*",
    "card": "karte*, kreditkart*, visa, mastercard, amex",
    "person": "mensch*, person, kollege*, kollegin*, mitarbeit*, team*, jemand*, admin*",
    "contact": "anruf*, ruf*, telefon*, e-mail*, email*, mail*, sms, telegram, nachricht*, schreib*, antwort*, besuch*",
    "link": "link*, url*, klick*, tipp*, seite*, webseite*, punkt com, com, http*, www, hier konnen sie bezahlen, hier",
    "secret": "passwort*, kennwort*, code*, pin, cvc, cvv, zugangsdaten, geheim*, schlussel*",
    "legal": "recht*, anwalt*, gericht*, schuld*, inkasso*, polizei, betrug*, gestohlen*, garant*, versproch*, "
    "versprech*",
    "may": "konnte, konnten, moglich*, vielleicht, eventuell, voraussichtlich*, geplant*",
    "change": "ander*, geandert*, aktualis*, anpass*",
    "hedge": "etwa, ungefahr, circa, ca, rund, knapp, fast, mindestens, hochstens, bis zu, mehr als, weniger als",
    "soon": "in kurze, bald, gleich, sofort, jetzt, jeden moment, demnachst, umgehend",
    "before": "vor, vorher, zuvor, fruher, davor, bevor",
    "after": "nach, nachher, danach, spater, nachdem",
    "until": "bis, bis dahin",
    "since": "seit*",
    "day": "einem tag, diesem tag, jeden tag, tage, tagen, taglich*, woche*, wochentl*, monat*, quartal*, "
    "jahr*, stunde*, minute*",
    "relative": "heute, morgen, gestern, ubermorgen, vorgestern, mittag*, mitternacht*, nachste woche, nachsten monat",
    "again": "erneut*, noch einmal, nochmal*, wieder, nachste* automatische versuch, weiterer versuch",
    "customer": "anderer kunde*, andere kund*, anderen kund*, jemand ander*, anderer leute",
    "delete": "losch*, entfern*, sperr*",
    "ignore": "ignorier*, vergess*, uberseh*, irrtum*, irrtumlich*, fehler*, falsch*",
    "receive": "bekomm*, erhalt*, wir schulden, wir zahlen, auszahl*, gutgeschrieben, uberwies*",
    "optional": "optional*, freiwillig*, wenn sie mochten, wenn sie wollen, nach belieben, verpflicht*",
    "give": "senden sie, schicken sie, teilen sie, geben sie, nennen sie, mitteil*, eingeb*",
    "past": "war, waren, wurde, wurden, hatte, worden, gewesen, haben wir",
    "last": "letzt*, abschliessend*, einzig*, nur, einmalig*",
    "insult": "betrug*, abzocke*, dieb*, lugner*, gelogen*, dumm*",
}
_FR: Mapping[str, str] = {
    "overdue": "en retard, retard*, echue, impaye*",
    "failed": "echou*, echec*, pas abouti, refus*, rejet*, decline*",
    "automatic": "automatique*, automatiquement, tout seul",
    "manual": "vous-meme*, manuel*",
    "trial": "essai*",
    "pause": "paus*, suspen*, reprend*, reprise*, gel*",
    "end": "fin, finit, termin*, prend fin, pris fin, resili*, annul*, expir*, cess*, arret*, s'arret*, ferm*",
    "refund": "rembours*, restitu*, litige*, contest*",
    "paid": "paye, payee, payes, regle, reglee, recu, recue, enregistr*, encaiss*, reussi*, acquitt*, deja",
    "free": "gratuit*, offert*, exoner*, sans frais, cadeau*",
    "discount": "reduction*, remise*, coupon*, promo*, rabais, bon, bonus, avoir, credit*, gagn*",
    "fee": "frais, interet*, taxe*, tva, penalit*, amende*, majoration*, supplement*",
    "processing": "en cours, trait*, prepar*",
    "confirm": "confirm*, approuv*, autoris*, verifi*, valid*",
    "bank": "banque*, bancaire*, virement*, iban",
    "method": "moyen de paiement, moyens de paiement, mode de paiement, paypal, crypto*, compte*",
    "card": "carte*, visa, mastercard, amex",
    "person": "personne va, une personne, humain*, collegue*, conseiller*, equipe*, quelqu'un, responsable*, admin*",
    "contact": "appel*, telephon*, courriel*, e-mail*, email*, mail*, sms, telegram, message*, ecriv*, repond*, "
    "visit*, web",
    "link": "lien*, url*, cliqu*, site*, point com, com, http*, www, payer ici, ici",
    "secret": "mot de passe, mots de passe, code*, pin, cvc, cvv, identifiant*, secret*, cle, cles",
    "legal": "legal*, juridi*, avocat*, tribunal*, dette*, recouvr*, police, fraud*, vole*, garant*, promet*, promis*",
    "may": "peut-etre, pourrait, pourraient, possib*, eventuel*, prevu*, peut encore, peuvent",
    "change": "chang*, vari*, modif*, evolu*, actualis*",
    "hedge": "environ, a peu pres, autour, presque, au moins, au plus, jusqu'a, plus de, moins de, quelque",
    "soon": "sous peu, bientot, tout de suite, maintenant, immediat*, d'un instant",
    "before": "avant, auparavant",
    "after": "apres, ensuite, plus tard, ulterieur*",
    "until": "jusqu'*, d'ici",
    "since": "depuis",
    "day": "jour, jours, quotidien*, semaine*, hebdo*, mois, mensuel*, trimestr*, an, ans, annee*, annuel*, "
    "heures, minute*",
    "relative": "aujourd'hui, demain, hier, ce soir, midi, minuit, apres-demain, avant-hier",
    "again": "a nouveau, de nouveau, nouvelle tentative, encore une fois, reessa*, retent*",
    "customer": "autre client*, autres client*, une autre personne, d'autres personnes",
    "delete": "supprim*, effac*, bloqu*, verrouill*",
    "ignore": "ignor*, oubli*, erreur*, trompe*, neglig*",
    "receive": "recev*, recoi*, nous vous devons, nous vous payons, vers*, touch*, en votre faveur",
    "optional": "facultati*, optionnel*, volontair*, si vous voulez, si vous souhaitez, quand vous voulez, obligatoir*",
    "give": "envoy*, donnez*, communiqu*, indiqu*, fourni*, saisi*, partag*, dites*",
    "past": "etait, etaient, a ete, ont ete, avait, fut, nous avons",
    "last": "dernier*, derniere*, final*, unique*, seulement",
    "insult": "arnaque*, escroc*, voleur*, menteur*, mensonge*, stupid*",
}
CLAIMS: Mapping[str, Mapping[str, str]] = {"en": _EN, "es": _ES, "pt": _PT, "de": _DE, "fr": _FR}

ONLY_ADDED = frozenset({"past"})
"""Claims that may be dropped: what is said of the past may be said of the present, and not the other way round."""

NEGATIONS: Mapping[str, str] = {
    "en": "not, no, none, nothing, never, without, neither, nor, cannot, unable, unless, nobody, otherwise, "
    "dont, cant, "
    "wont, isnt, instead, except, refus*, stop, *n't",
    "es": "no, ni, nunca, jamas, nada, nadie, ningun*, sin, tampoco, salvo, excepto, si no, imposible",
    "pt": "nao, nem, nunca, jamais, nada, ninguem, nenhum*, sem, tampouco, salvo, exceto, senao, impossivel",
    "de": "nicht, nichts, nie, niemals, kein*, niemand*, ohne, weder, sonst, ausser, unmoglich, statt",
    "fr": "ne, n', ni, jamais, rien, aucun*, personne ne, sans, sinon, sauf, impossible, non",
}
NUMBERS: Mapping[str, str] = {
    "en": "zero, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, *teen, twenty*, thirty*, "
    "forty*, "
    "fifty*, sixty*, seventy*, eighty*, ninety*, hundred*, thousand*, million*, billion*, dozen*, half, "
    "double*, triple*, "
    "twice, couple, both, first, second*, third*, fourth*, fifth*, sixth*, seventh*, eighth*, ninth*, tenth*, "
    "grand, single",
    "es": "cero, dos, tres, cuatro, cinco, seis, siete, ocho, nueve, diez, once, doce, trece, catorce, quince, "
    "dieci*, "
    "veint*, treinta*, cuarenta*, cincuenta*, sesenta*, setenta*, ochenta*, noventa*, cien*, *cient*, mil, "
    "miles, millon*, "
    "docena*, mitad, medio, media, doble*, triple*, ambos, primer*, segund*, tercer*, cuart*, quint*",
    "pt": "zero, dois, duas, tres, quatro, cinco, seis, sete, oito, nove, dez, onze, doze, treze, catorze, "
    "quatorze, quinze, "
    "dezes*, dezoito, dezenove, vinte*, trinta*, quarenta*, cinquenta*, sessenta*, setenta*, oitenta*, "
    "noventa*, cem, "
    "cento*, duzent*, trezent*, quinhent*, *centos, mil, milhao, milhoes, milhar*, duzia*, metade, meio, dobro, "
    "triplo, "
    "ambos, primeir*, segundo, segunda, terceir*, quart*, quint*",
    "de": "null, zwei*, drei*, vier*, funf*, sechs*, sieb*, acht*, neun*, zehn*, elf, zwolf*, *zehn, *zwanzig*, "
    "*dreissig*, "
    "*vierzig*, *funfzig*, *sechzig*, *siebzig*, *achtzig*, *neunzig*, *hundert*, *tausend*, million*, "
    "milliard*, dutzend*, "
    "halb*, halft*, doppelt*, dreifach*, beide*, erste*, dritt*",
    "fr": "zero, deux*, trois*, quatre*, cinq*, six*, sept, septieme*, huit*, neuf*, dix*, onze*, douze*, "
    "treize*, quatorze*, "
    "quinze*, seize*, vingt*, trente*, quarante*, cinquante*, soixante*, cent, cents, centaine*, mille*, "
    "million*, milliard*, "
    "douzaine*, moitie, demi*, double*, triple*, premier*, second*, troisieme*",
}
MONEY = (
    "euro*, eur, dollar*, dolar*, usd, us$, buck*, cent, cents, centime*, centavo*, centimo*, pound*, libra*, "
    "livre*, quid, "
    "pfund, sterling, gbp, pence, penny, pennies, yen, yenes, jpy, real, reais, brl, franc*, franken, chf, "
    "peso*, mxn, ars, "
    "clp, cop, rupee*, rupia*, inr, yuan*, cny, rmb, krone*, kroner, sek, nok, dkk, zloty*, pln, forint*, huf, "
    "lira*, "
    "won, krw, dinar*, kwd, bhd, tnd, dirham*, aed, riyal*, sar, rand, zar, cad, aud, nzd, sgd, hkd, btc, "
    "bitcoin*, eth, "
    "usdt, percent*, per cent, por ciento, por cento, prozent*, pour cent, pourcent*"
)


def folded(text: str) -> str:
    """Lower case, without accents, straight apostrophes, one space between words."""
    plain = unicodedata.normalize(
        "NFKD", text.lower().replace("ß", "ss").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    )
    return " ".join("".join(char for char in plain if not unicodedata.combining(char)).split())


def made(text: str, language: str) -> frozenset[str]:
    """The claims that `text` (folded) makes."""
    return frozenset(name for name, pattern in _claims(language) if pattern.search(text))


def negations(text: str, language: str) -> int:
    """How often `text` (folded) says no."""
    return len(_negations(language).findall(text))


def quantities(text: str, language: str) -> frozenset[str]:
    """The words of `text` (folded) that are numbers or money: in its own language, or currencies in any."""
    return frozenset((*_numbers(language).findall(text), *_MONEY.findall(text)))


@lru_cache(maxsize=len(CLAIMS))
def _claims(language: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((name, _any_of(words)) for name, words in CLAIMS[language].items())


@lru_cache(maxsize=len(CLAIMS))
def _negations(language: str) -> re.Pattern[str]:
    return _any_of(NEGATIONS[language])


@lru_cache(maxsize=len(CLAIMS))
def _numbers(language: str) -> re.Pattern[str]:
    return _any_of(NUMBERS[language])


def _any_of(words: str) -> re.Pattern[str]:
    """A listed word stands alone; `*` before or behind stands for letters."""
    listed = (re.escape(word.strip()).replace(r"\*", r"[a-z]*") for word in words.split(","))
    patterns = (f"{word}(?![a-z])" if not word.endswith("'") else word for word in listed)
    return re.compile(f"(?<![a-z])(?:{'|'.join(sorted(patterns, key=len, reverse=True))})")


_MONEY = _any_of(MONEY)
