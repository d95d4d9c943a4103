"""The answers in German."""

from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    "on": "am {date}",
    "on_weekend": "am {date}",
    "at": " um {time} Uhr",
    "at_one": " um {time} Uhr",
    "zone": "Ortszeit {city}",
    "about": "etwa {amount}",
    "amount_unknown": "Den genauen Betrag kann ich noch nicht nennen.",
    "link": "Hier können Sie bezahlen: {link}",
    "further": "Weitere Posten, die hier nicht aufgeführt sind: {count}.",
    "as_of": "Stand: {moment}.",
    "unknown": "Einen Teil Ihrer Abrechnung kann ich nicht sicher lesen, deshalb kann ich dazu nichts sagen; ein "
    "Mensch wird es prüfen.",
    "refusal": "In diesem Chat kann ich noch keine Zahlungsdaten zeigen. Bitte teilen Sie uns mit, wer Sie sind; "
    "sobald das bestätigt ist, sehe ich nach.",
    "nothing_due": "Sie haben keine offene Rechnung und keine anstehende Zahlung.",
    "subscription_ended": "Ihr Abonnement endete {on}. Sie haben keine offene Rechnung und keine anstehende Zahlung.",
    # owed now
    "invoice_due": "Ihre offene Rechnung ist {on} fällig[: {amount}].",
    "invoice_overdue": "Ihre Rechnung ist seit {date} überfällig[: {amount}].",
    "invoice_undated": "Sie haben eine offene Rechnung ohne Fälligkeitsdatum[: {amount}].",
    "invoice_retry": "Eine Zahlung[ über {amount}] ist fehlgeschlagen. Der nächste automatische Versuch erfolgt {on}; "
    "bitte sorgen Sie dafür, dass Ihre Zahlungsmethode bis dahin funktioniert.",
    "invoice_attempt": "Ihre offene Rechnung wird {on} automatisch abgebucht[: {amount}].",
    "invoice_attempt_now": "Die automatische Zahlung[ über {amount}], geplant für {date}, sollte gerade laufen.",
    "invoice_charging": "Ihre neue Rechnung[ über {amount}] wird in Kürze automatisch abgebucht.",
    "invoice_processing": "Ihre Zahlung[ über {amount}] wird gerade verarbeitet; Sie müssen nichts tun.",
    "invoice_settling": "Ihre Zahlung[ über {amount}] ist eingegangen und wird gerade verbucht.",
    "invoice_action": "Ihre Zahlung[ über {amount}] wartet darauf, dass Sie sie bei Ihrer Bank bestätigen.",
    "invoice_unpaid": "Ihre Rechnung[ über {amount}] ist offen und wird nicht automatisch abgebucht; bitte bezahlen "
    "Sie sie selbst.",
    "incomplete": "Ihre erste Zahlung[ über {amount}] muss bis {date} abgeschlossen sein, sonst beginnt das "
    "Abonnement nicht.",
    "incomplete_lapsed": "Die Frist für Ihre erste Zahlung[ über {amount}] endete {on}, deshalb hat das Abonnement "
    "nicht begonnen.",
    "intent_waiting": "Eine Zahlung[ über {amount}] wartet darauf, dass Sie sie abschließen. Sie hat kein "
    "Fälligkeitsdatum.",
    "intent_processing": "Eine Zahlung[ über {amount}] läuft gerade; Sie müssen nichts tun.",
    # on its way
    "draft_charge": "Ihre nächste Zahlung wird gerade vorbereitet und {on} automatisch abgebucht[: {amount}]. Der "
    "Betrag kann sich noch ändern.",
    "draft_charge_soon": "Ihre nächste Zahlung wird gerade vorbereitet und in Kürze automatisch abgebucht[: "
    "{amount}]. Der Betrag kann sich noch ändern.",
    "draft_invoice": "Ihre nächste Rechnung wird gerade vorbereitet und {on} ausgestellt[: {amount}]. Der Betrag kann "
    "sich noch ändern.",
    "draft_invoice_soon": "Ihre nächste Rechnung wird gerade vorbereitet und in Kürze ausgestellt[: {amount}]. Der "
    "Betrag kann sich noch ändern.",
    "draft_zero": "Ihre nächste Rechnung wird gerade vorbereitet[ und {on} ausgestellt]; nach jetzigem Stand ist "
    "nichts zu bezahlen.",
    "draft_held": "Eine Rechnung[ über {amount}] ist vorbereitet, aber noch nicht ausgestellt. Der Betrag kann sich "
    "noch ändern.",
    "draft_kept": "Während der Pause wurde eine Rechnung[ über {amount}] vorbereitet, die später eingezogen werden "
    "kann.",
    # renewals
    "renewal": "Ihre nächste Zahlung ist {on} fällig[: {amount}]. Sie wird automatisch abgebucht.",
    "renewal_zero": "Ihre nächste Verlängerung ist {on}; dann ist nichts zu bezahlen.",
    "renewal_invoice": "Ihre nächste Rechnung wird {then_on} ausgestellt und ist {on} fällig[: {amount}].",
    "renewal_invoice_undated": "Ihre nächste Rechnung wird {on} ausgestellt[: {amount}].",
    "renewal_underway": "Die Zahlung, geplant für {date}, wird gerade vorbereitet; das Ergebnis ist noch nicht "
    "bekannt.",
    "no_upcoming": "Für Ihr Abonnement ist keine weitere Zahlung geplant.",
    "ends": "Ihr Abonnement endet {on} und wird nicht verlängert; es ist keine weitere Zahlung geplant.",
    "ends_usage": "Ihr Abonnement endet {on} und wird nicht verlängert. Eine letzte Rechnung über Ihren Verbrauch "
    "kann noch kommen.",
    "ends_final_invoice": "Ihr Abonnement endet {on} und wird nicht verlängert. Dann wird noch eine letzte Rechnung "
    "erwartet[: {amount}].",
    # trials
    "trial": "Ihr Testzeitraum endet {on}; dann ist Ihre erste Zahlung fällig[: {amount}]. Sie wird automatisch "
    "abgebucht.",
    "trial_zero": "Ihr Testzeitraum endet {on}; dann ist nichts zu bezahlen.",
    "trial_invoice": "Ihr Testzeitraum endet {then_on}; dann wird Ihre erste Rechnung ausgestellt, fällig {on}[: "
    "{amount}].",
    "trial_invoice_undated": "Ihr Testzeitraum endet {on}; dann wird Ihre erste Rechnung ausgestellt[: {amount}].",
    "trial_ends": "Ihr Testzeitraum endet {on} und mit ihm Ihr Abonnement; es wird nichts abgebucht.",
    "trial_no_method_cancel": "Ihr Testzeitraum endet {on}. Es ist keine Zahlungsmethode hinterlegt, deshalb endet "
    "Ihr Abonnement dann, wenn Sie keine hinzufügen; es wird nichts abgebucht.",
    "trial_no_method_pause": "Ihr Testzeitraum endet {on}. Es ist keine Zahlungsmethode hinterlegt, deshalb wird Ihr "
    "Abonnement dann pausiert, wenn Sie keine hinzufügen; es wird nichts abgebucht.",
    "trial_no_method_invoice": "Ihr Testzeitraum endet {on}; dann ist Ihre erste Zahlung fällig[: {amount}]. Es ist "
    "keine Zahlungsmethode hinterlegt, deshalb bleibt die Rechnung offen, bis Sie sie bezahlen.",
    # pauses
    "paused": "Die Zahlungen für Ihr Abonnement sind pausiert, ein Ende der Pause ist nicht festgelegt; vorerst wird "
    "nichts Neues fällig.",
    "paused_until": "Die Zahlungen für Ihr Abonnement sind bis {date} pausiert; vorher wird nichts Neues fällig.",
    "paused_drafts": "Die Zahlungen für Ihr Abonnement sind pausiert, ein Ende der Pause ist nicht festgelegt. "
    "Rechnungen werden weiter vorbereitet und können später eingezogen werden.",
    "paused_drafts_until": "Die Zahlungen für Ihr Abonnement sind bis {date} pausiert. Rechnungen werden weiter "
    "vorbereitet und können später eingezogen werden.",
    "subscription_paused": "Ihr Abonnement ist pausiert; bis zur Fortsetzung kommen keine Rechnungen.",
    "subscription_paused_payable": "Ihr Abonnement ist pausiert, weil eine Zahlung fehlgeschlagen ist. Diese Rechnung "
    "kann noch bezahlt werden; das kann das Abonnement fortsetzen.",
    "subscription_unpaid": "Ihr Abonnement ist unbezahlt: Es wird nichts automatisch abgebucht. Offene Rechnungen "
    "können über ihren Link bezahlt werden.",
    # schedules
    "schedule": "Ihr Abonnement beginnt {on}; dann ist Ihre erste Zahlung fällig[: {amount}].",
    "schedule_zero": "Ihr Abonnement beginnt {on}; dann ist nichts zu bezahlen.",
    "schedule_trial": "Ihr Abonnement beginnt {then_on} mit einem Testzeitraum; Ihre erste Zahlung ist {on} fällig[: "
    "{amount}].",
    "schedule_invoice": "Die erste Rechnung Ihres Abonnements wird {then_on} ausgestellt und ist {on} fällig[: "
    "{amount}].",
    "schedule_invoice_undated": "Die erste Rechnung Ihres Abonnements wird {on} ausgestellt[: {amount}].",
    # besides
    "pending_update": "Eine Änderung an Ihrem Abonnement wartet auf ihre Zahlung und verfällt {on}.",
    "extra_invoice": "Eine zusätzliche Rechnung für einzelne Posten kann {on} kommen[: {amount}].",
    "thresholds": "Bei hohem Verbrauch kann eine Rechnung früher kommen.",
    "phase_change": "Ihr Tarif ändert sich {on}; dann kann eine Zahlung fällig werden.",
}
