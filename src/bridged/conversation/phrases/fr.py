"""The answers in French."""

from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    "on": "le {date}",
    "on_weekend": "le {date}",
    "at": " à {time}",
    "at_one": " à {time}",
    "zone": "heure de {city}",
    "about": "environ {amount}",
    "amount_unknown": "Je ne peux pas encore indiquer le montant exact.",
    "link": "Vous pouvez payer ici : {link}",
    "further": "Autres éléments non affichés ici : {count}.",
    "as_of": "Situation au {moment}.",
    "unknown": "Une partie de votre facturation n'est pas lisible avec certitude, je ne peux donc pas répondre ; une "
    "personne va vérifier.",
    "refusal": "Je ne peux pas encore afficher de données de paiement dans cette conversation. Dites-nous qui vous "
    "êtes ; une fois votre identité confirmée, je regarderai.",
    "nothing_due": "Vous n'avez ni facture ouverte ni paiement à venir.",
    "subscription_ended": "Votre abonnement a pris fin {on}. Vous n'avez ni facture ouverte ni paiement à venir.",
    # owed now
    "invoice_due": "Votre facture ouverte est à régler {on}[ : {amount}].",
    "invoice_overdue": "Votre facture est en retard depuis {on}[ : {amount}].",
    "invoice_undated": "Vous avez une facture ouverte sans date d'échéance[ : {amount}].",
    "invoice_retry": "Un paiement[ de {amount}] n'a pas abouti. Une nouvelle tentative automatique aura lieu {on} ; "
    "assurez-vous que votre moyen de paiement fonctionne d'ici là.",
    "invoice_attempt": "Votre facture ouverte sera prélevée automatiquement {on}[ : {amount}].",
    "invoice_attempt_now": "Le prélèvement automatique[ de {amount}] prévu {on} devrait être en cours.",
    "invoice_charging": "Votre nouvelle facture[ de {amount}] sera prélevée automatiquement sous peu.",
    "invoice_processing": "Votre paiement[ de {amount}] est en cours de traitement ; vous n'avez rien à faire.",
    "invoice_settling": "Votre paiement[ de {amount}] a été reçu et est en cours d'enregistrement.",
    "invoice_action": "Votre paiement[ de {amount}] attend votre confirmation auprès de votre banque.",
    "invoice_unpaid": "Votre facture[ de {amount}] est ouverte et ne sera pas prélevée automatiquement ; merci de la "
    "régler vous-même.",
    "incomplete": "Votre premier paiement[ de {amount}] doit être finalisé au plus tard {on}, sinon l'abonnement ne "
    "commencera pas.",
    "incomplete_lapsed": "Le délai pour finaliser votre premier paiement[ de {amount}] a pris fin {on} ; l'abonnement "
    "n'a donc pas commencé.",
    "intent_waiting": "Un paiement[ de {amount}] attend que vous le finalisiez. Il n'a pas de date d'échéance.",
    "intent_processing": "Un paiement[ de {amount}] est en cours ; vous n'avez rien à faire.",
    # on its way
    "draft_charge": "Votre prochain paiement est en préparation et sera prélevé automatiquement {on}[ : {amount}]. Le "
    "montant peut encore changer.",
    "draft_charge_soon": "Votre prochain paiement est en préparation et sera prélevé automatiquement sous peu[ : "
    "{amount}]. Le montant peut encore changer.",
    "draft_invoice": "Votre prochaine facture est en préparation et sera émise {on}[ : {amount}]. Le montant peut "
    "encore changer.",
    "draft_invoice_soon": "Votre prochaine facture est en préparation et sera émise sous peu[ : {amount}]. Le montant "
    "peut encore changer.",
    "draft_zero": "Votre prochaine facture est en préparation[ et sera émise {on}] ; pour l'instant, il n'y a rien à "
    "payer.",
    "draft_held": "Une facture[ de {amount}] est préparée, mais pas encore émise. Le montant peut encore changer.",
    "draft_kept": "Une facture[ de {amount}] a été préparée pendant la pause et pourra être prélevée plus tard.",
    # renewals
    "renewal": "Votre prochain paiement est dû {on}[ : {amount}]. Il sera prélevé automatiquement.",
    "renewal_zero": "Votre prochain renouvellement aura lieu {on} ; il n'y aura rien à payer.",
    "renewal_invoice": "Votre prochaine facture sera émise {then_on} et devra être réglée {on}[ : {amount}].",
    "renewal_invoice_undated": "Votre prochaine facture sera émise {on}[ : {amount}].",
    "renewal_underway": "Le paiement prévu {on} est en préparation ; le résultat n'est pas encore connu.",
    "no_upcoming": "Aucun autre paiement n'est prévu pour votre abonnement.",
    "ends": "Votre abonnement prend fin {on} et ne sera pas renouvelé ; aucun autre paiement n'est prévu.",
    "ends_usage": "Votre abonnement prend fin {on} et ne sera pas renouvelé. Une dernière facture pour votre "
    "consommation peut encore arriver.",
    "ends_final_invoice": "Votre abonnement prend fin {on} et ne sera pas renouvelé. Une dernière facture est alors "
    "attendue[ : {amount}].",
    # trials
    "trial": "Votre essai se termine {on} et votre premier paiement est alors dû[ : {amount}]. Il sera prélevé "
    "automatiquement.",
    "trial_zero": "Votre essai se termine {on} ; il n'y aura rien à payer.",
    "trial_invoice": "Votre essai se termine {then_on} ; votre première facture sera alors émise et devra être réglée "
    "{on}[ : {amount}].",
    "trial_invoice_undated": "Votre essai se termine {on} et votre première facture sera alors émise[ : {amount}].",
    "trial_ends": "Votre essai se termine {on}, et votre abonnement avec lui ; rien ne sera prélevé.",
    "trial_no_method_cancel": "Votre essai se termine {on}. Aucun moyen de paiement n'est enregistré : votre "
    "abonnement prendra donc fin si vous n'en ajoutez pas ; rien ne sera prélevé.",
    "trial_no_method_pause": "Votre essai se termine {on}. Aucun moyen de paiement n'est enregistré : votre "
    "abonnement sera donc mis en pause si vous n'en ajoutez pas ; rien ne sera prélevé.",
    "trial_no_method_invoice": "Votre essai se termine {on} et votre premier paiement est alors dû[ : {amount}]. "
    "Aucun moyen de paiement n'est enregistré : la facture restera donc ouverte jusqu'à ce que vous la régliez.",
    # pauses
    "paused": "Les paiements de votre abonnement sont en pause, sans date de reprise ; rien de nouveau n'est dû pour "
    "l'instant.",
    "paused_until": "Les paiements de votre abonnement sont en pause jusqu'à la date de reprise, {date} ; rien de "
    "nouveau n'est dû avant.",
    "paused_drafts": "Les paiements de votre abonnement sont en pause, sans date de reprise. Des factures continuent "
    "d'être préparées et pourront être prélevées plus tard.",
    "paused_drafts_until": "Les paiements de votre abonnement sont en pause jusqu'à la date de reprise, {date}. Des "
    "factures continuent d'être préparées et pourront être prélevées plus tard.",
    "subscription_paused": "Votre abonnement est en pause ; aucune facture ne viendra avant sa reprise.",
    "subscription_paused_payable": "Votre abonnement est en pause parce qu'un paiement a échoué. Cette facture peut "
    "encore être réglée, ce qui peut relancer l'abonnement.",
    "subscription_unpaid": "Votre abonnement est impayé : rien ne sera prélevé automatiquement. Les factures ouvertes "
    "peuvent encore être réglées par leur lien.",
    # schedules
    "schedule": "Votre abonnement commence {on} et votre premier paiement est alors dû[ : {amount}].",
    "schedule_zero": "Votre abonnement commence {on} ; il n'y aura rien à payer.",
    "schedule_trial": "Votre abonnement commence {then_on} par un essai ; votre premier paiement est dû {on}[ : "
    "{amount}].",
    "schedule_invoice": "La première facture de votre abonnement sera émise {then_on} et devra être réglée {on}[ : "
    "{amount}].",
    "schedule_invoice_undated": "La première facture de votre abonnement sera émise {on}[ : {amount}].",
    # besides
    "pending_update": "Une modification de votre abonnement attend son paiement et expire {on}.",
    "extra_invoice": "Une facture supplémentaire pour des éléments ponctuels peut arriver {on}[ : {amount}].",
    "thresholds": "Une facture peut arriver plus tôt si votre consommation est élevée.",
    "phase_change": "Votre formule change {on} ; un paiement peut alors être dû.",
}
