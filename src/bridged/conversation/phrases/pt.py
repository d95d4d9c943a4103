"""The answers in Portuguese."""

from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    "on": "na {date}",
    "on_weekend": "no {date}",
    "at": " às {time}",
    "at_one": " à {time}",
    "zone": "horário de {city}",
    "about": "cerca de {amount}",
    "amount_unknown": "Ainda não consigo informar o valor exato.",
    "link": "Você pode pagar aqui: {link}",
    "further": "Outros itens que não aparecem aqui: {count}.",
    "as_of": "Dados de {moment}.",
    "unknown": "Há uma parte da sua cobrança que não consigo ler com certeza, por isso não posso informar; uma pessoa "
    "vai verificar.",
    "refusal": "Ainda não posso mostrar dados de pagamento nesta conversa. Diga-nos quem você é e, quando isso for "
    "confirmado, eu consulto.",
    "nothing_due": "Você não tem faturas em aberto nem próximos pagamentos.",
    "subscription_ended": "Sua assinatura terminou {on}. Você não tem faturas em aberto nem próximos pagamentos.",
    # owed now
    "invoice_due": "Sua fatura em aberto vence {on}[: {amount}].",
    "invoice_overdue": "Sua fatura está vencida desde {date}[: {amount}].",
    "invoice_undated": "Você tem uma fatura em aberto sem data de vencimento[: {amount}].",
    "invoice_retry": "Um pagamento[ de {amount}] não foi concluído. Haverá uma nova tentativa automática {on}; "
    "verifique se sua forma de pagamento estará funcionando até lá.",
    "invoice_attempt": "Sua fatura em aberto será cobrada automaticamente {on}[: {amount}].",
    "invoice_attempt_now": "A cobrança automática[ de {amount}] prevista para {date} deve estar em andamento.",
    "invoice_charging": "Sua nova fatura[ de {amount}] será cobrada automaticamente em breve.",
    "invoice_processing": "Seu pagamento[ de {amount}] está sendo processado; você não precisa fazer nada.",
    "invoice_settling": "Seu pagamento[ de {amount}] foi recebido e está sendo registrado.",
    "invoice_action": "Seu pagamento[ de {amount}] está aguardando a sua confirmação junto ao banco.",
    "invoice_unpaid": "Sua fatura[ de {amount}] está em aberto e não será cobrada automaticamente; é preciso que você "
    "a pague.",
    "incomplete": "Seu primeiro pagamento[ de {amount}] precisa ser concluído até {date}; caso contrário, a "
    "assinatura não começará.",
    "incomplete_lapsed": "O prazo para concluir seu primeiro pagamento[ de {amount}] terminou {on}, por isso a "
    "assinatura não começou.",
    "intent_waiting": "Há um pagamento[ de {amount}] aguardando que você o conclua. Ele não tem data de vencimento.",
    "intent_processing": "Há um pagamento[ de {amount}] em andamento; você não precisa fazer nada.",
    # on its way
    "draft_charge": "Seu próximo pagamento está sendo preparado e será cobrado automaticamente {on}[: {amount}]. O "
    "valor ainda pode mudar.",
    "draft_charge_soon": "Seu próximo pagamento está sendo preparado e será cobrado automaticamente em breve[: "
    "{amount}]. O valor ainda pode mudar.",
    "draft_invoice": "Sua próxima fatura está sendo preparada e será emitida {on}[: {amount}]. O valor ainda pode "
    "mudar.",
    "draft_invoice_soon": "Sua próxima fatura está sendo preparada e será emitida em breve[: {amount}]. O valor ainda "
    "pode mudar.",
    "draft_zero": "Sua próxima fatura está sendo preparada[ e será emitida {on}]; por enquanto, não há nada a pagar.",
    "draft_held": "Uma fatura[ de {amount}] foi preparada, mas não emitida. O valor ainda pode mudar.",
    "draft_kept": "Uma fatura[ de {amount}] foi preparada durante a pausa e poderá ser cobrada mais tarde.",
    # renewals
    "renewal": "Seu próximo pagamento vence {on}[: {amount}]. Ele será cobrado automaticamente.",
    "renewal_zero": "Sua próxima renovação será {on}; não haverá nada a pagar.",
    "renewal_invoice": "Sua próxima fatura será emitida {then_on} e vence {on}[: {amount}].",
    "renewal_invoice_undated": "Sua próxima fatura será emitida {on}[: {amount}].",
    "renewal_underway": "O pagamento previsto para {date} está sendo preparado; o resultado ainda não é conhecido.",
    "no_upcoming": "Não há mais pagamentos previstos para sua assinatura.",
    "ends": "Sua assinatura termina {on} e não será renovada, portanto não há mais pagamentos previstos.",
    "ends_usage": "Sua assinatura termina {on} e não será renovada. Ainda pode haver uma última fatura pelo seu "
    "consumo.",
    "ends_final_invoice": "Sua assinatura termina {on} e não será renovada. Espera-se então uma última fatura[: "
    "{amount}].",
    # trials
    "trial": "Seu período de teste termina {on}, quando vence seu primeiro pagamento[: {amount}]. Ele será cobrado "
    "automaticamente.",
    "trial_zero": "Seu período de teste termina {on}; não haverá nada a pagar.",
    "trial_invoice": "Seu período de teste termina {then_on}; sua primeira fatura será emitida então e vence {on}[: "
    "{amount}].",
    "trial_invoice_undated": "Seu período de teste termina {on}, quando será emitida sua primeira fatura[: {amount}].",
    "trial_ends": "Seu período de teste termina {on} e, com ele, sua assinatura; nada será cobrado.",
    "trial_no_method_cancel": "Seu período de teste termina {on}. Não há forma de pagamento cadastrada, por isso sua "
    "assinatura terminará se você não adicionar uma; nada será cobrado.",
    "trial_no_method_pause": "Seu período de teste termina {on}. Não há forma de pagamento cadastrada, por isso sua "
    "assinatura ficará em pausa se você não adicionar uma; nada será cobrado.",
    "trial_no_method_invoice": "Seu período de teste termina {on}, quando vence seu primeiro pagamento[: {amount}]. "
    "Não há forma de pagamento cadastrada, por isso a fatura ficará em aberto até você pagá-la.",
    # pauses
    "paused": "Os pagamentos da sua assinatura estão em pausa, sem data para serem retomados; por enquanto não vence "
    "nada novo.",
    "paused_until": "Os pagamentos da sua assinatura estão em pausa até {date}; antes disso não vence nada novo.",
    "paused_drafts": "Os pagamentos da sua assinatura estão em pausa, sem data para serem retomados. As faturas "
    "continuam sendo preparadas e poderão ser cobradas mais tarde.",
    "paused_drafts_until": "Os pagamentos da sua assinatura estão em pausa até {date}. As faturas continuam sendo "
    "preparadas e poderão ser cobradas mais tarde.",
    "subscription_paused": "Sua assinatura está em pausa; não haverá faturas até que seja retomada.",
    "subscription_paused_payable": "Sua assinatura está em pausa porque um pagamento falhou. Essa fatura ainda pode "
    "ser paga, o que pode retomar a assinatura.",
    "subscription_unpaid": "Sua assinatura está com pagamento em atraso: nada será cobrado automaticamente. As "
    "faturas em aberto podem ser pagas pelo link.",
    # schedules
    "schedule": "Sua assinatura começa {on}, quando vence seu primeiro pagamento[: {amount}].",
    "schedule_zero": "Sua assinatura começa {on}; não haverá nada a pagar.",
    "schedule_trial": "Sua assinatura começa {then_on} com um período de teste; seu primeiro pagamento vence {on}[: "
    "{amount}].",
    "schedule_invoice": "A primeira fatura da sua assinatura será emitida {then_on} e vence {on}[: {amount}].",
    "schedule_invoice_undated": "A primeira fatura da sua assinatura será emitida {on}[: {amount}].",
    # besides
    "pending_update": "Uma alteração na sua assinatura aguarda o pagamento e expira {on}.",
    "extra_invoice": "Pode haver uma fatura adicional por itens avulsos {on}[: {amount}].",
    "thresholds": "Uma fatura pode chegar antes se o seu consumo for alto.",
    "phase_change": "Seu plano muda {on}; pode vencer um pagamento nessa data.",
}
