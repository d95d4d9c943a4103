"""The texts in French."""

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "renewal": "Bonjour {{name}}, votre abonnement à {{plan}} sera renouvelé le {{period_end}}. Nous débiterons alors "
    "{{next_amount}} sur votre moyen de paiement enregistré. Vous n'avez rien à faire.",
    "renewal_plain": "Bonjour {{name}}, votre abonnement chez {{business}} sera renouvelé le {{period_end}}. Il sera "
    "débité sur votre moyen de paiement enregistré. Vous n'avez rien à faire.",
    "invoice_soon": "Bonjour {{name}}, la facture {{number}} de {{amount}} arrive à échéance le {{due_date}}. Vous "
    "pouvez la consulter et la régler ici : {{link}} Merci beaucoup.",
    "invoice_today": "Bonjour {{name}}, la facture {{number}} de {{amount}} arrive à échéance aujourd'hui, le "
    "{{due_date}}. Vous pouvez la consulter et la régler ici : {{link}} Merci beaucoup.",
    "invoice_overdue": "Bonjour {{name}}, la facture {{number}} de {{amount}} était due le {{due_date}} et reste "
    "impayée. Vous pouvez la consulter et la régler ici : {{link}} Si vous venez de payer, ne tenez pas compte de ce "
    "message.",
    "subscribed": "Bonjour {{name}}, votre abonnement à {{plan}} est actif. Le prochain paiement de {{next_amount}} "
    "aura lieu le {{next_date}}. Merci beaucoup.",
    "subscribed_plain": "Bonjour {{name}}, votre abonnement chez {{business}} est actif. Merci pour votre commande.",
    "paid": "Bonjour {{name}}, nous avons bien reçu votre paiement de {{amount}} à {{business}}. Merci beaucoup.",
    "trial_ending": "Bonjour {{name}}, votre essai de {{plan}} se termine le {{trial_end}}. Il coûtera ensuite "
    "{{next_amount}}, débités sur votre moyen de paiement enregistré, sauf si vous résiliez avant.",
    "trial_ending_plain": "Bonjour {{name}}, votre essai chez {{business}} se termine le {{trial_end}}. Il devient "
    "ensuite un abonnement payant, sauf si vous résiliez avant.",
    "action": "Bonjour {{name}}, votre banque vous demande de confirmer votre paiement de {{amount}}. Vous pouvez le "
    "faire ici : {{link}} Sans confirmation, le paiement ne peut pas aboutir.",
    "action_plain": "Bonjour {{name}}, votre banque vous demande de confirmer votre paiement de {{amount}} à "
    "{{business}}. Ouvrez votre compte pour le confirmer.",
    "failed_retry": "Bonjour {{name}}, votre paiement de {{amount}} n'a pas abouti. Nous réessaierons le "
    "{{next_attempt}}. Pour payer maintenant ou avec une autre carte : {{link}} Merci beaucoup.",
    "failed_card": "Bonjour {{name}}, votre paiement de {{amount}} a été refusé et cette carte ne peut plus être "
    "utilisée. Vous pouvez payer avec une autre ici : {{link}} Merci beaucoup.",
    "failed": "Bonjour {{name}}, votre paiement de {{amount}} n'a pas abouti et reste dû. Vous pouvez le régler ici : "
    "{{link}} Merci beaucoup.",
    "failed_plain": "Bonjour {{name}}, votre paiement de {{amount}} à {{business}} n'a pas abouti et reste dû. "
    "Vérifiez le moyen de paiement dans votre compte.",
    "failed_last": "Bonjour {{name}}, votre paiement de {{amount}} reste dû. Ceci est notre dernier rappel avant que "
    "votre abonnement puisse prendre fin. Vous pouvez le régler ici : {{link}} Merci beaucoup.",
    "card": "Bonjour {{name}}, la carte enregistrée pour votre abonnement chez {{business}} expire en {{card_month}}. "
    "Ajoutez-en une nouvelle dans votre compte avant le prochain paiement.",
    "risk": "Un client de grande valeur demande votre attention : {{name}}. Regardez ses paiements et contactez-le.",
    "lead": "Bonjour {{name}}, vous étiez sur le point de commander chez {{business}}. Pouvons-nous répondre à une "
    "question ?",
    "check_in": "Bonjour {{name}}, vous êtes chez {{business}} depuis une semaine. Qu'en pensez-vous jusqu'ici ? Nous "
    "vous aidons volontiers.",
    "second": "Bonjour {{name}}, merci pour votre commande chez {{business}}. Nous avons d'autres choses qui "
    "pourraient vous convenir : voulez-vous en savoir plus ?",
    "back_30": "Bonjour {{name}}, nous serions heureux de vous revoir chez {{business}}. Dites-nous ce qui vous "
    "manquait, et nous verrons ce que nous pouvons faire.",
    "back_90": "Bonjour {{name}}, beaucoup de choses ont changé chez {{business}} depuis votre départ. Voulez-vous y "
    "jeter un nouveau coup d'œil ?",
    "year": "Bonjour {{name}}, vous êtes chez {{business}} depuis un an. Merci de votre confiance, et à l'année "
    "prochaine.",
    "save": "Bonjour {{name}}, votre abonnement chez {{business}} prend fin le {{cancel_at}}. Si vous avez changé "
    "d'avis, ou s'il vous manquait quelque chose, répondez à ce message.",
    "refund": "Bonjour {{name}}, {{business}} vous a remboursé {{amount}}. Il peut se passer quelques jours avant que "
    "votre banque ne l'affiche.",
}
