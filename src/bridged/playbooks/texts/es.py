"""The texts in Spanish."""

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "renewal": "Hola, {{name}}: su suscripción a {{plan}} se renueva el {{period_end}}. Ese día cobraremos "
    "{{next_amount}} en su método de pago guardado. No tiene que hacer nada.",
    "renewal_plain": "Hola, {{name}}: su suscripción con {{business}} se renueva el {{period_end}}. Se cobrará en su "
    "método de pago guardado. No tiene que hacer nada.",
    "invoice_soon": "Hola, {{name}}: la factura {{number}} de {{amount}} vence el {{due_date}}. Puede verla y pagarla "
    "aquí: {{link}} Muchas gracias.",
    "invoice_today": "Hola, {{name}}: la factura {{number}} de {{amount}} vence hoy, {{due_date}}. Puede verla y "
    "pagarla aquí: {{link}} Muchas gracias.",
    "invoice_overdue": "Hola, {{name}}: la factura {{number}} de {{amount}} venció el {{due_date}} y sigue pendiente. "
    "Puede verla y pagarla aquí: {{link}} Si acaba de pagar, no tenga en cuenta este mensaje.",
    "subscribed": "Hola, {{name}}: su suscripción a {{plan}} está activa. El próximo pago de {{next_amount}} será el "
    "{{next_date}}. Muchas gracias.",
    "subscribed_plain": "Hola, {{name}}: su suscripción con {{business}} está activa. Gracias por su pedido.",
    "paid": "Hola, {{name}}: hemos recibido su pago de {{amount}} a {{business}}. Muchas gracias.",
    "trial_ending": "Hola, {{name}}: su prueba de {{plan}} termina el {{trial_end}}. Desde entonces cuesta "
    "{{next_amount}}, que se cobrará en su método de pago guardado, salvo que cancele antes.",
    "trial_ending_plain": "Hola, {{name}}: su prueba con {{business}} termina el {{trial_end}}. Después pasa a ser "
    "una suscripción de pago, salvo que cancele antes.",
    "action": "Hola, {{name}}: su banco le pide que confirme su pago de {{amount}}. Hágalo aquí, por favor: {{link}} "
    "Sin esa confirmación el pago no puede completarse.",
    "action_plain": "Hola, {{name}}: su banco le pide que confirme su pago de {{amount}} a {{business}}. Abra su "
    "cuenta para confirmarlo, por favor.",
    "failed_retry": "Hola, {{name}}: su pago de {{amount}} no se ha realizado. Lo intentaremos de nuevo el "
    "{{next_attempt}}. Para pagar ahora o con otra tarjeta: {{link}} Muchas gracias.",
    "failed_card": "Hola, {{name}}: su pago de {{amount}} fue rechazado y esta tarjeta ya no puede usarse. Pague con "
    "otra aquí, por favor: {{link}} Muchas gracias.",
    "failed": "Hola, {{name}}: su pago de {{amount}} no se ha realizado y sigue pendiente. Puede pagarlo aquí: "
    "{{link}} Muchas gracias.",
    "failed_plain": "Hola, {{name}}: su pago de {{amount}} a {{business}} no se ha realizado y sigue pendiente. "
    "Revise el método de pago en su cuenta, por favor.",
    "failed_last": "Hola, {{name}}: su pago de {{amount}} sigue pendiente. Este es nuestro último aviso antes de que "
    "su suscripción pueda terminar. Puede pagarlo aquí: {{link}} Muchas gracias.",
    "card": "Hola, {{name}}: la tarjeta guardada para su suscripción con {{business}} caduca en {{card_month}}. Añada "
    "una nueva en su cuenta antes del próximo pago, por favor.",
    "risk": "Un cliente de mucho valor necesita atención: {{name}}. Revise los pagos y póngase en contacto, por favor.",
    "lead": "Hola, {{name}}: estaba a punto de hacer un pedido en {{business}}. ¿Podemos responder a alguna pregunta?",
    "check_in": "Hola, {{name}}: ya lleva una semana con {{business}}. ¿Qué le parece hasta ahora? Le ayudamos con "
    "gusto.",
    "second": "Hola, {{name}}: gracias por su pedido en {{business}}. Tenemos más cosas que pueden interesarle: "
    "¿quiere que se las contemos?",
    "back_30": "Hola, {{name}}: nos alegraría tenerle de vuelta en {{business}}. Cuéntenos qué le faltaba y veremos "
    "qué podemos hacer.",
    "back_90": "Hola, {{name}}: en {{business}} han cambiado muchas cosas desde que se fue. ¿Le gustaría volver a "
    "mirar?",
    "year": "Hola, {{name}}: lleva un año con {{business}}. Gracias por su confianza, y por el año que viene.",
    "save": "Hola, {{name}}: su suscripción con {{business}} termina el {{cancel_at}}. Si ha cambiado de idea, o si "
    "le faltaba algo, responda a este mensaje.",
    "refund": "Hola, {{name}}: {{business}} le ha enviado un reembolso de {{amount}}. Puede tardar unos días en "
    "aparecer en su banco.",
}
