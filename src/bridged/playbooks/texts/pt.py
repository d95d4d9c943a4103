"""The texts in Portuguese, as written in Brazil."""

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "renewal": "Olá, {{name}}! Sua assinatura de {{plan}} será renovada em {{period_end}}. Nesse dia cobraremos "
    "{{next_amount}} na forma de pagamento salva. Não é preciso fazer nada.",
    "renewal_plain": "Olá, {{name}}! Sua assinatura com {{business}} será renovada em {{period_end}}. O valor será "
    "cobrado na forma de pagamento salva. Não é preciso fazer nada.",
    "invoice_soon": "Olá, {{name}}! A fatura {{number}} de {{amount}} vence em {{due_date}}. Veja e pague aqui: "
    "{{link}} Muito obrigado.",
    "invoice_today": "Olá, {{name}}! A fatura {{number}} de {{amount}} vence hoje, {{due_date}}. Veja e pague aqui: "
    "{{link}} Muito obrigado.",
    "invoice_overdue": "Olá, {{name}}! A fatura {{number}} de {{amount}} venceu em {{due_date}} e continua em aberto. "
    "Veja e pague aqui: {{link}} Se acabou de pagar, desconsidere esta mensagem.",
    "subscribed": "Olá, {{name}}! Sua assinatura de {{plan}} está ativa. O próximo pagamento de {{next_amount}} será "
    "em {{next_date}}. Muito obrigado.",
    "subscribed_plain": "Olá, {{name}}! Sua assinatura com {{business}} está ativa. Obrigado pelo seu pedido.",
    "paid": "Olá, {{name}}! Recebemos seu pagamento de {{amount}} para {{business}}. Muito obrigado.",
    "trial_ending": "Olá, {{name}}! Seu período de teste de {{plan}} termina em {{trial_end}}. A partir daí custa "
    "{{next_amount}}, cobrado na forma de pagamento salva, a menos que cancele antes.",
    "trial_ending_plain": "Olá, {{name}}! Seu período de teste com {{business}} termina em {{trial_end}}. Depois ele "
    "passa a ser uma assinatura paga, a menos que cancele antes.",
    "action": "Olá, {{name}}! Seu banco pede que confirme o pagamento de {{amount}}. Faça isso aqui, por favor: "
    "{{link}} Sem a confirmação o pagamento não pode ser concluído.",
    "action_plain": "Olá, {{name}}! Seu banco pede que confirme o pagamento de {{amount}} para {{business}}. Abra sua "
    "conta para confirmar, por favor.",
    "failed_retry": "Olá, {{name}}! Seu pagamento de {{amount}} não foi concluído. Vamos tentar de novo em "
    "{{next_attempt}}. Para pagar agora ou com outro cartão: {{link}} Muito obrigado.",
    "failed_card": "Olá, {{name}}! Seu pagamento de {{amount}} foi recusado e este cartão não pode mais ser usado. "
    "Pague com outro aqui, por favor: {{link}} Muito obrigado.",
    "failed": "Olá, {{name}}! Seu pagamento de {{amount}} não foi concluído e continua em aberto. Pague aqui: "
    "{{link}} Muito obrigado.",
    "failed_plain": "Olá, {{name}}! Seu pagamento de {{amount}} para {{business}} não foi concluído e continua em "
    "aberto. Verifique a forma de pagamento na sua conta, por favor.",
    "failed_last": "Olá, {{name}}! Seu pagamento de {{amount}} continua em aberto. Este é nosso último aviso antes "
    "que sua assinatura possa terminar. Pague aqui: {{link}} Muito obrigado.",
    "card": "Olá, {{name}}! O cartão salvo para sua assinatura com {{business}} vence em {{card_month}}. Adicione um "
    "novo na sua conta antes do próximo pagamento, por favor.",
    "risk": "Um cliente de alto valor precisa de atenção: {{name}}. Veja os pagamentos e entre em contato, por favor.",
    "lead": "Olá, {{name}}! Você estava quase fazendo um pedido em {{business}}. Podemos responder a alguma dúvida?",
    "check_in": "Olá, {{name}}! Você está há uma semana com {{business}}. O que está achando até agora? Ajudamos com "
    "prazer.",
    "second": "Olá, {{name}}! Obrigado pelo seu pedido em {{business}}. Temos mais coisas que podem interessar: quer "
    "saber quais?",
    "back_30": "Olá, {{name}}! Ficaríamos felizes em ter você de volta em {{business}}. Conte o que faltou e veremos "
    "o que podemos fazer.",
    "back_90": "Olá, {{name}}! Muita coisa mudou em {{business}} desde que você saiu. Quer dar mais uma olhada?",
    "year": "Olá, {{name}}! Você está há um ano com {{business}}. Obrigado pela confiança, e que venha o próximo.",
    "save": "Olá, {{name}}! Sua assinatura com {{business}} termina em {{cancel_at}}. Se mudou de ideia, ou se faltou "
    "alguma coisa, responda a esta mensagem.",
    "refund": "Olá, {{name}}! {{business}} enviou a você um reembolso de {{amount}}. Pode levar alguns dias até "
    "aparecer no seu banco.",
}
