"""German words, as `words_of` leaves them. A trailing star stands for any ending; `plain` gives no slot."""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "plain": "erklaren,firma,nachricht,gefunden,prufen,vergessen,glaube,ungefahr,unseren,unserem,benutzt,benutzen,"
    "nutzen,veraltet,ausgegangen,lief,buchhaltung,euro,euros,folgt,zeitraum,dasselbe,januar,februar,marz,april,mai,"
    "juni,juli,august,september,oktober,"
    "november,dezember,montag,dienstag,mittwoch,donnerstag,freitag,samstag,sonntag,bekommen,erhalten,gemacht,getan,"
    "schnell,sofort,wirklich,ganz,guten,also,aber,weil,dass,ob,wenn,als,sehr,weniger,alle,alles,nichts,niemand,etwas,"
    "jemand,andere,anderer,"
    "anderes,jede,jeder,jedes,ohne,uber,unter,zwischen,bis,seit,wahrend,gegen,nach,vor,immer,nie,heute,wochen,monate,"
    "jahre,tage,stunde,stunden,minute,minuten,zeit,male,gut,schlecht,besser,gross,klein,neu,alt,erste,zweite,dritte,"
    "sache,leute,entschuldigung,hab,habe,hast,haben,hatte,hatten,bin,bist,sein,machen,mache,macht,gemacht,sagt,"
    "gesagt,gehen,gehe,geht,ging,kommen,komme,kommt,kam,geben,gebe,gibt,gab,kann,konnte,wollen,will,wollte,weiss,"
    "wusste,denken,denke,sehen,sehe,sieht,sah,brauche,braucht,warte,warten,hoffe,ihnen,ihm,ihn,wer,wem,wen,welche,wo,"
    "wann,wie,warum,genug,drauf,trotzdem,grad,gerade,nur,auch,vielleicht,bestimmt,einfach,erfolgt,erfolgte,erfolgen,"
    "stehe,steht,liegt,liegen,alleine,allein,versprochen,ausland,ziehe,der,die,das,den,dem,des,ein,eine,einen,mein,"
    "meine,meinen,meiner,meinem,ich,mir,mich,ist,sind,von,vom,zu,"
    "zum,zur,fur,fuer,auf,an,am,im,in,bei,mit,und,oder,bitte,hallo,hi,guten,tag,morgen,danke,ihr,ihre,ihren,sie,euch,"
    "du,dein,deine,wir,uns,konnen,kannst,konnt,koennen,sagen,sag,wissen,mochte,moechte,gerne,gern,man,denn,eigentlich,"
    "geld,konto,bank,monat,woche,jahr,mal,es,ab,dann,nun,jetzt,frage,noch,genau,da,mehr,fallt,faellt,aus",
    # questions
    "question:when": "wann,wan,welchem tag,welchen tag,welchem datum,welches datum,bis wann,ab wann,wie lange noch,"
    "wie lange dauert es noch,in wie vielen tagen,wieviele tage noch,wie viele tage noch",
    "question:how_much": "wie viel,wieviel,wieviele,wie hoch,was kostet,kostet,kosten,preis,welcher betrag,"
    "welchen betrag",
    "question:what": "was",
    "question:which": "welch*",
    "question:why": "warum,wieso,weshalb,weswegen,grund,wofur,wofuer",
    "question:where": "wo,wohin",
    "question:how": "wie",
    "question:if": "was passiert,falls,wenn ich",
    "question:can": "kann ich,darf ich,ich will,ich mochte zahlen",
    # objects
    "object:payment": "zahlung*,abbuchung*,lastschrift*,rate,raten,beitrag,beitrage,einzug,belastung,belastungen,"
    "zahlungstermin*,zahlungsdatum,abbuchungstermin*,abbuchungsdatum,zahlungsfrist*,folgezahlung*,monatsbeitrag",
    "object:invoice": "rechnung*,rechnungsdatum",
    "object:date": "datum,termin,tag,falligkeit*,faelligkeit*,zahlungstermin*,zahlungsdatum,abbuchungstermin*,"
    "abbuchungsdatum,rechnungsdatum,zahlungsfrist*,frist,stichtag",
    "object:amount": "betrag,betrage,summe,hohe,hoehe,rechnungsbetrag,zahlungsbetrag,gesamtbetrag",
    "object:subscription": "abo,abos,abonnement,abonnements,tarif,mitgliedschaft,paket,plan,vertrag",
    "object:trial": "probe*,test*,kostenlos*,gratis*",
    "object:card": "karte,karten,kreditkarte*",
    "object:method": "zahlungsmethode*,zahlungsart*,zahlungsmittel*,zahlungsweise*",
    "object:refund": "erstatt*,ruckerstatt*,rueckerstatt*,ruckzahlung*,rueckzahlung*,geld zuruck,zuruckerstatt*",
    "object:discount": "rabatt*,gutschein*,coupon*,aktionscode*,promo*,nachlass*",
    "object:dispute": "reklam*,ruckbuchung*,rueckbuchung*,beschwerde*,chargeback*,streitfall*",
    "object:receipt": "beleg*,quittung*,kopie*,pdf,steuerberater*",
    "object:link": "link*,zahlungslink*,webseite*",
    "object:details": "adresse*,rechnungsadresse*,email,mail,umsatzsteuer*,steuernummer*,name,firmenname*",
    "object:it": "es,das",
    # time
    "tense:next": "nachst*,naechst*,kommend*,demnachst,demnaechst,wieder,erneut,zukunftig*,zukuenftig*,anstehend*,"
    "folgend*,folgezahlung*,nochmal,nochmals",
    "tense:will": "wird,werde,werden,werdet",
    "tense:due": "fallig*,faellig*,muss,mussen,muessen,soll,zu zahlen,zu bezahlen",
    "tense:past": "letzt*,war,waren,wurde,wurden,gezahlt,bezahlt,bisher,bislang,vergangen*,vorig*,fruher*,zuletzt,"
    "gestern,habt,hat,zahlungsverlauf*,zahlungshistorie*,schon,bereits,doppelt,zweimal,jungst*,worden",
    "tense:every": "pro monat,im monat,monatlich*,jeden monat,jahrlich*,pro jahr,im jahr,jedes jahr,monatspreis*",
    # actions
    "action:pay": "zahlen,zahle,zahlst,bezahlen,bezahle,uberweis*,ueberweis*,bezahlt werden,gezahlt werden,zu zahlen,"
    "zu bezahlen",
    "action:charge": "ziehen,einziehen,abgebucht,abbuchen,bucht,buchen,abbucht,abzubuchen,eingezogen,einziehen,zieht,"
    "belastet,belasten,"
    "berechnet,berechnen,abgezogen,abgerechnet,abrechn*,abrechnung*",
    "action:renew": "verlanger*,verlaenger*,erneuer*,automatische verlangerung",
    "action:cancel": "kundig*,kuendig*,gekundigt,gekuendigt,storn*,beend*,endet,ende,aufhor*,stopp*",
    "action:retry": "gedeckt,aufgeladen,aufgefullt,abbuchungsversuch*,zahlungsversuch*,erneut versuch*,"
    "noch einmal versuch*,versuch*,wiederhol*",
    "action:fail": "fehlgeschlagen*,fehlschlag*,abgelehnt*,ablehn*,gescheitert,geklappt,schiefgegangen,schief,fehler*",
    "action:update": "ander*,aender*,aktualis*,wechsel*,hinzufug*,hinzufueg*,verschieb*,upgrade*,downgrade*,umstell*,"
    "ersetz*,aussetzen,verwend*,aufteil*,senken",
    "action:owe": "schulde,schulden,offen*,ausstehend*,ruckstand*,verzug,unbezahlt*,saldo,uberfallig*,ueberfaellig*",
    "action:expire": "ablauf*,ablaeuf*,lauft,laeuft,abgelaufen,gultig*,gueltig*",
    "action:confirm": "angekommen,erfolgreich*,eingegangen,erhalten,bestatig*,bestaetig*,durchgegangen,verarbeitet,"
    "status",
    "action:send": "zeig*,sende*,send,schick*,liste*,gib,herunterlad*",
}
