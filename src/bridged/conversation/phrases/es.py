"""The answers in Spanish."""

from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    "on": "el {date}",
    "on_weekend": "el {date}",
    "at": " a las {time}",
    "at_one": " a la {time}",
    "zone": "hora de {city}",
    "about": "aproximadamente {amount}",
    "amount_unknown": "Todavía no puedo decirte el importe exacto.",
    "link": "Puedes pagar aquí: {link}",
    "further": "Otros elementos que no aparecen aquí: {count}.",
    "as_of": "Datos del {moment}.",
    "unknown": "Hay una parte de tu facturación que no puedo leer con seguridad, así que no puedo decírtelo; una "
    "persona lo revisará.",
    "refusal": "Todavía no puedo mostrar datos de pago en este chat. Dinos quién eres y, cuando esté confirmado, lo "
    "consultaré.",
    "nothing_due": "No tienes facturas pendientes ni próximos pagos.",
    "subscription_ended": "Tu suscripción terminó {on}. No tienes facturas pendientes ni próximos pagos.",
    # owed now
    "invoice_due": "Tu factura pendiente vence {on}[: {amount}].",
    "invoice_overdue": "Tu factura está vencida desde {on}[: {amount}].",
    "invoice_undated": "Tienes una factura pendiente sin fecha de vencimiento[: {amount}].",
    "invoice_retry": "Un pago[ de {amount}] no se pudo cobrar. Se volverá a intentar automáticamente {on}; asegúrate "
    "de que tu método de pago funcione para entonces.",
    "invoice_attempt": "Tu factura pendiente se cobrará automáticamente {on}[: {amount}].",
    "invoice_attempt_now": "El cobro automático[ de {amount}] previsto para {on} debería estar en curso.",
    "invoice_charging": "Tu nueva factura[ de {amount}] se cobrará automáticamente en breve.",
    "invoice_processing": "Tu pago[ de {amount}] se está procesando; no tienes que hacer nada.",
    "invoice_settling": "Hemos recibido tu pago[ de {amount}] y se está registrando.",
    "invoice_action": "Tu pago[ de {amount}] está a la espera de que lo confirmes con tu banco.",
    "invoice_unpaid": "Tu factura[ de {amount}] está pendiente y no se cobrará automáticamente; tienes que pagarla tú.",
    "incomplete": "Tu primer pago[ de {amount}] debe completarse antes de la fecha límite, {date}; si no, la "
    "suscripción no empezará.",
    "incomplete_lapsed": "El plazo para completar tu primer pago[ de {amount}] terminó {on}, así que la suscripción "
    "no ha empezado.",
    "intent_waiting": "Hay un pago[ de {amount}] a la espera de que lo completes. No tiene fecha de vencimiento.",
    "intent_processing": "Hay un pago[ de {amount}] en curso; no tienes que hacer nada.",
    # on its way
    "draft_charge": "Tu próximo pago se está preparando y se cobrará automáticamente {on}[: {amount}]. El importe aún "
    "puede cambiar.",
    "draft_charge_soon": "Tu próximo pago se está preparando y se cobrará automáticamente en breve[: {amount}]. El "
    "importe aún puede cambiar.",
    "draft_invoice": "Tu próxima factura se está preparando y se emitirá {on}[: {amount}]. El importe aún puede "
    "cambiar.",
    "draft_invoice_soon": "Tu próxima factura se está preparando y se emitirá en breve[: {amount}]. El importe aún "
    "puede cambiar.",
    "draft_zero": "Tu próxima factura se está preparando[ y se emitirá {on}]; por ahora no hay nada que pagar.",
    "draft_held": "Hay una factura[ de {amount}] preparada, pero no emitida. El importe aún puede cambiar.",
    "draft_kept": "Durante la pausa se ha preparado una factura[ de {amount}], que podría cobrarse más adelante.",
    # renewals
    "renewal": "Tu próximo pago vence {on}[: {amount}]. Se cobrará automáticamente.",
    "renewal_zero": "Tu próxima renovación es {on}; entonces no tendrás que pagar nada.",
    "renewal_invoice": "Tu próxima factura se emitirá {then_on} y vence {on}[: {amount}].",
    "renewal_invoice_undated": "Tu próxima factura se emitirá {on}[: {amount}].",
    "renewal_underway": "El pago previsto para {on} se está preparando; todavía no se conoce el resultado.",
    "no_upcoming": "No hay más pagos previstos para tu suscripción.",
    "ends": "Tu suscripción termina {on} y no se renovará, así que no hay más pagos previstos.",
    "ends_usage": "Tu suscripción termina {on} y no se renovará. Aún puede llegar una última factura por tu consumo.",
    "ends_final_invoice": "Tu suscripción termina {on} y no se renovará. Se espera entonces una última factura[: "
    "{amount}].",
    # trials
    "trial": "Tu prueba termina {on} y entonces vence tu primer pago[: {amount}]. Se cobrará automáticamente.",
    "trial_zero": "Tu prueba termina {on}; entonces no tendrás que pagar nada.",
    "trial_invoice": "Tu prueba termina {then_on}; entonces se emitirá tu primera factura, que vence {on}[: {amount}].",
    "trial_invoice_undated": "Tu prueba termina {on} y entonces se emitirá tu primera factura[: {amount}].",
    "trial_ends": "Tu prueba termina {on} y, con ella, tu suscripción; no se cobrará nada.",
    "trial_no_method_cancel": "Tu prueba termina {on}. No hay ningún método de pago guardado, así que tu suscripción "
    "terminará entonces si no añades uno; no se cobrará nada.",
    "trial_no_method_pause": "Tu prueba termina {on}. No hay ningún método de pago guardado, así que tu suscripción "
    "quedará en pausa si no añades uno; no se cobrará nada.",
    "trial_no_method_invoice": "Tu prueba termina {on} y entonces vence tu primer pago[: {amount}]. No hay ningún "
    "método de pago guardado, así que la factura quedará pendiente hasta que la pagues.",
    # pauses
    "paused": "Los pagos de tu suscripción están en pausa y no hay fecha de reanudación; por ahora no vence nada "
    "nuevo.",
    "paused_until": "Los pagos de tu suscripción están en pausa hasta {on}; antes no vence nada nuevo.",
    "paused_drafts": "Los pagos de tu suscripción están en pausa y no hay fecha de reanudación. Las facturas se "
    "siguen preparando y podrían cobrarse más adelante.",
    "paused_drafts_until": "Los pagos de tu suscripción están en pausa hasta {on}. Las facturas se siguen preparando "
    "y podrían cobrarse más adelante.",
    "subscription_paused": "Tu suscripción está en pausa; no habrá facturas hasta que se reanude.",
    "subscription_paused_payable": "Tu suscripción está en pausa porque falló un pago. Esa factura todavía se puede "
    "pagar, y eso podría reanudar la suscripción.",
    "subscription_unpaid": "Tu suscripción está impagada: no se cobrará nada automáticamente. Las facturas pendientes "
    "se pueden pagar con su enlace.",
    # schedules
    "schedule": "Tu suscripción empieza {on} y entonces vence tu primer pago[: {amount}].",
    "schedule_zero": "Tu suscripción empieza {on}; entonces no tendrás que pagar nada.",
    "schedule_trial": "Tu suscripción empieza {then_on} con una prueba; tu primer pago vence {on}[: {amount}].",
    "schedule_invoice": "La primera factura de tu suscripción se emitirá {then_on} y vence {on}[: {amount}].",
    "schedule_invoice_undated": "La primera factura de tu suscripción se emitirá {on}[: {amount}].",
    # besides
    "pending_update": "Un cambio en tu suscripción está a la espera de su pago y caduca {on}.",
    "extra_invoice": "Puede llegar una factura adicional por conceptos sueltos {on}[: {amount}].",
    "thresholds": "Puede llegar una factura antes si tu consumo es alto.",
    "phase_change": "Tu plan cambia {on}; entonces puede vencer un pago.",
}
