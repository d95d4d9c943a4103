"""The texts in German."""

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "renewal": "Guten Tag {{name}}, Ihr Abonnement {{plan}} verlängert sich am {{period_end}}. Dann buchen wir "
    "{{next_amount}} von Ihrer hinterlegten Zahlungsart ab. Sie müssen nichts tun.",
    "renewal_plain": "Guten Tag {{name}}, Ihr Abonnement bei {{business}} verlängert sich am {{period_end}}. Der "
    "Betrag wird von Ihrer hinterlegten Zahlungsart abgebucht. Sie müssen nichts tun.",
    "invoice_soon": "Guten Tag {{name}}, die Rechnung {{number}} über {{amount}} ist am {{due_date}} fällig. Ansehen "
    "und bezahlen können Sie sie hier: {{link}} Vielen Dank.",
    "invoice_today": "Guten Tag {{name}}, die Rechnung {{number}} über {{amount}} ist heute, am {{due_date}}, fällig. "
    "Ansehen und bezahlen können Sie sie hier: {{link}} Vielen Dank.",
    "invoice_overdue": "Guten Tag {{name}}, die Rechnung {{number}} über {{amount}} war am {{due_date}} fällig und "
    "ist noch offen. Ansehen und bezahlen können Sie sie hier: {{link}} Falls Sie gerade bezahlt haben, ist diese "
    "Nachricht gegenstandslos.",
    "subscribed": "Guten Tag {{name}}, Ihr Abonnement {{plan}} ist aktiv. Die nächste Zahlung von {{next_amount}} ist "
    "am {{next_date}} fällig. Vielen Dank.",
    "subscribed_plain": "Guten Tag {{name}}, Ihr Abonnement bei {{business}} ist aktiv. Vielen Dank für Ihre "
    "Bestellung.",
    "paid": "Guten Tag {{name}}, Ihre Zahlung von {{amount}} an {{business}} ist eingegangen. Vielen Dank.",
    "trial_ending": "Guten Tag {{name}}, Ihre Probezeit für {{plan}} endet am {{trial_end}}. Danach kostet es "
    "{{next_amount}}, abgebucht von Ihrer hinterlegten Zahlungsart, sofern Sie nicht vorher kündigen.",
    "trial_ending_plain": "Guten Tag {{name}}, Ihre Probezeit bei {{business}} endet am {{trial_end}}. Danach wird "
    "daraus ein bezahltes Abonnement, sofern Sie nicht vorher kündigen.",
    "action": "Guten Tag {{name}}, Ihre Bank bittet Sie, die Zahlung von {{amount}} zu bestätigen. Das geht hier: "
    "{{link}} Ohne Bestätigung kann die Zahlung nicht ausgeführt werden.",
    "action_plain": "Guten Tag {{name}}, Ihre Bank bittet Sie, die Zahlung von {{amount}} an {{business}} zu "
    "bestätigen. Bitte öffnen Sie dazu Ihr Konto.",
    "failed_retry": "Guten Tag {{name}}, Ihre Zahlung von {{amount}} wurde nicht ausgeführt. Wir versuchen es am "
    "{{next_attempt}} noch einmal. Jetzt oder mit einer anderen Karte bezahlen: {{link}} Vielen Dank.",
    "failed_card": "Guten Tag {{name}}, Ihre Zahlung von {{amount}} wurde abgelehnt, und diese Karte kann nicht mehr "
    "verwendet werden. Bitte bezahlen Sie hier mit einer anderen: {{link}} Vielen Dank.",
    "failed": "Guten Tag {{name}}, Ihre Zahlung von {{amount}} wurde nicht ausgeführt und ist noch offen. Bezahlen "
    "können Sie hier: {{link}} Vielen Dank.",
    "failed_plain": "Guten Tag {{name}}, Ihre Zahlung von {{amount}} an {{business}} wurde nicht ausgeführt und ist "
    "noch offen. Bitte prüfen Sie die Zahlungsart in Ihrem Konto.",
    "failed_last": "Guten Tag {{name}}, Ihre Zahlung von {{amount}} ist noch offen. Dies ist unsere letzte "
    "Erinnerung, bevor Ihr Abonnement enden kann. Bezahlen können Sie hier: {{link}} Vielen Dank.",
    "card": "Guten Tag {{name}}, die Karte für Ihr Abonnement bei {{business}} läuft im {{card_month}} ab. Bitte "
    "hinterlegen Sie vor der nächsten Zahlung eine neue in Ihrem Konto.",
    "risk": "Ein Kunde von hohem Wert braucht Aufmerksamkeit: {{name}}. Bitte sehen Sie die Zahlungen an und melden "
    "Sie sich.",
    "lead": "Guten Tag {{name}}, Sie waren dabei, bei {{business}} zu bestellen. Dürfen wir eine Frage dazu "
    "beantworten?",
    "check_in": "Guten Tag {{name}}, Sie sind nun seit einer Woche bei {{business}}. Wie gefällt es Ihnen bisher? Wir "
    "helfen gern.",
    "second": "Guten Tag {{name}}, vielen Dank für Ihre Bestellung bei {{business}}. Wir haben noch mehr, das zu "
    "Ihnen passen könnte: Möchten Sie davon hören?",
    "back_30": "Guten Tag {{name}}, wir würden uns freuen, Sie wieder bei {{business}} zu haben. Schreiben Sie uns, "
    "was gefehlt hat, und wir sehen, was wir tun können.",
    "back_90": "Guten Tag {{name}}, bei {{business}} hat sich viel getan, seit Sie gegangen sind. Möchten Sie noch "
    "einmal hineinsehen?",
    "year": "Guten Tag {{name}}, Sie sind seit einem Jahr bei {{business}}. Vielen Dank für Ihr Vertrauen und auf das "
    "nächste.",
    "save": "Guten Tag {{name}}, Ihr Abonnement bei {{business}} endet am {{cancel_at}}. Falls Sie es sich anders "
    "überlegt haben oder etwas gefehlt hat, antworten Sie einfach auf diese Nachricht.",
    "refund": "Guten Tag {{name}}, {{business}} hat Ihnen {{amount}} erstattet. Bis Ihre Bank den Betrag zeigt, "
    "können einige Tage vergehen.",
}
