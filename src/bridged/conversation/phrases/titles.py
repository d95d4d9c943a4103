"""What a button that stands for an intent reads, in at most 20 characters."""

from collections.abc import Mapping

_INTENTS = [
    "next_payment_date",
    "next_payment_amount",
    "last_payment",
    "payment_confirm",
    "payment_failed_why",
    "retry_when",
    "amount_owed",
    "pay_link",
    "invoice_copy",
    "payment_history",
    "total_spent",
    "current_plan",
    "plan_price",
    "subscription_status",
    "auto_renew",
    "cancel_status",
    "cancel_request",
    "trial_end",
    "refund_status",
    "refund_request",
    "unknown_charge",
    "card_on_file",
    "update_card",
    "card_expiry",
    "discount_status",
    "dispute_status",
    "change_plan",
    "billing_details",
    "human",
]
_TITLES: Mapping[str, str] = {
    "en": "Next payment date|Next amount|Last payment|Did I pay?|Why it failed|Next attempt|What I owe|Pay now|"
    "Get an invoice|My payments|Total paid|My plan|Price of my plan|Is it active?|Does it renew?|"
    "Is it cancelled?|Cancel my plan|Trial end|My refund|Ask for a refund|Unknown charge|Card on file|"
    "Change my card|Card expiry|My discount|My dispute|Change my plan|Billing details|Talk to a person",
    "es": "Próximo pago|Importe próximo|Último pago|¿Se hizo mi pago?|Por qué falló|Próximo intento|"
    "Lo que debo|Pagar ahora|Pedir factura|Mis pagos|Total pagado|Mi plan|Precio de mi plan|"
    "¿Está activa?|¿Se renueva?|¿Está cancelada?|Cancelar mi plan|Fin de la prueba|Mi reembolso|"
    "Pedir reembolso|Cargo desconocido|Mi tarjeta|Cambiar tarjeta|Caducidad tarjeta|Mi descuento|"
    "Mi disputa|Cambiar de plan|Datos de factura|Hablar con alguien",
    "pt": "Próximo pagamento|Próximo valor|Último pagamento|Foi pago?|Por que falhou|Próxima tentativa|"
    "O que devo|Pagar agora|Pedir fatura|Meus pagamentos|Total pago|Meu plano|Preço do plano|Está ativa?|"
    "Renova?|Está cancelada?|Cancelar plano|Fim do teste|Meu reembolso|Pedir reembolso|Cobrança estranha|"
    "Meu cartão|Trocar cartão|Validade do cartão|Meu desconto|Minha contestação|Mudar de plano|"
    "Dados de cobrança|Falar com alguém",
    "de": "Nächste Zahlung|Nächster Betrag|Letzte Zahlung|Ist es bezahlt?|Warum gescheitert|Nächster Versuch|"
    "Was offen ist|Jetzt bezahlen|Rechnung anfordern|Meine Zahlungen|Summe bezahlt|Mein Tarif|"
    "Preis des Tarifs|Ist es aktiv?|Verlängert es sich?|Ist es gekündigt?|Kündigen|Ende des Tests|"
    "Meine Erstattung|Geld zurück|Unbekannte Zahlung|Hinterlegte Karte|Karte ändern|Karte gültig bis|"
    "Mein Rabatt|Meine Reklamation|Tarif wechseln|Rechnungsdaten|Mit Mensch sprechen",
    "fr": "Prochain paiement|Prochain montant|Dernier paiement|Est-ce payé ?|Pourquoi l'échec|Prochain essai|"
    "Ce que je dois|Payer maintenant|Ma facture|Mes paiements|Total payé|Ma formule|Prix de ma formule|"
    "Est-il actif ?|Renouvellement|Est-il résilié ?|Résilier|Fin de l'essai|Mon remboursement|"
    "Être remboursé|Paiement inconnu|Carte enregistrée|Changer de carte|Validité carte|Ma remise|"
    "Ma contestation|Changer de formule|Mes coordonnées|Parler à quelqu'un",
}
TITLES: Mapping[str, Mapping[str, str]] = {
    language: dict(zip(_INTENTS, listed.split("|"), strict=True)) for language, listed in _TITLES.items()
}
