"""Portuguese words, as `words_of` leaves them. A trailing star stands for any ending; `plain` gives no slot."""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "plain": "explicar,empresa,contabilidade,verificar,avisaram,achei,acho,esqueci,senhor,senhora,nossas,nossos,"
    "usamos,precisamos,queremos,temos,podemos,gastamos,regular,desatualizado,houve,reais,euros,euro,ter,reenviar,"
    "apareceu,resolveu,anda,abri,casa,fim,certinho,lembro,resposta,"
    "transferencia,janeiro,fevereiro,marco,abril,maio,junho,julho,agosto,setembro,outubro,novembro,dezembro,segunda,"
    "terca,quarta,quinta,sexta,sabado,domingo,manda,mandem,facam,receber,feito,feita,boa,tarde,noite,mesmo,mesma,"
    "assim,tambem,mas,porem,como,muito,mais,menos,tudo,todo,toda,todos,todas,nada,ninguem,algo,"
    "algum,alguma,outro,outra,cada,sem,sobre,entre,ate,desde,durante,contra,antes,depois,logo,sempre,nunca,hoje,"
    "amanha,semanas,meses,anos,dias,hora,horas,vezes,bem,mal,melhor,pior,grande,pequeno,novo,velho,primeiro,segundo,"
    "coisa,coisas,gente,desculpa,desculpe,tem,temos,tinha,sou,somos,era,estava,estive,fazer,faco,faz,fez,digo,diz,"
    "disse,disseram,ir,vir,dar,dou,dei,poder,pude,querer,quis,sei,sabe,acho,penso,vejo,vi,olhar,informar,indicar,"
    "espero,esperando,lhe,lhes,vos,eles,ela,elas,ele,vc,quem,qual,onde,quando,q,to,ta,pro,encontra,solicito,"
    "solicitar,aceita,repetir,tiram,o,a,os,as,um,uma,meu,minha,meus,minhas,e,de,do,da,dos,das,me,se,em,no,na,nos,nas,"
    "para,pra,por,favor,com,"
    "ola,oi,bom,boa,dia,tarde,quero,queria,gostaria,saber,preciso,pode,podes,poderia,dizer,diga,seu,sua,eu,voce,voces,"
    "vcs,obrigado,obrigada,mes,semana,ano,dinheiro,conta,banco,agora,entao,esta,este,pergunta,duvida,tenho,ha,isso,"
    "aqui,vez,ver,ser,que",
    # questions
    "question:when": "quando,qnd,qdo,que dia,qual dia,qual o dia,que data,qual data,qual a data,em que dia,"
    "em que data,em qual dia,quanto tempo falta,quantos dias faltam,para quando,ate quando",
    "question:how_much": "quanto,qto,qnto,quanta,qual valor,qual o valor,que valor,custa,custam,custara,preco,"
    "quanto e,de quanto",
    "question:what": "qual,qual e,qual sera",
    "question:which": "qual cartao,que cartao,quais,que plano,qual plano,qual metodo",
    "question:why": "por que,porque,pq,motivo,razao",
    "question:where": "onde,aonde,cade",
    "question:how": "como",
    "question:if": "o que acontece,e se,se nao,caso",
    "question:can": "posso,poderia pagar,quero pagar,da para",
    # objects
    "object:payment": "pagamento,pagamentos,pgto,cobranca,cobrancas,debito,debitos,parcela,parcelas,mensalidade,"
    "mensalidades,prestacao,prestacoes,faturamento,data de pagamento,renovacao do pagamento,pago",
    "object:invoice": "fatura,faturas,boleto,boletos,factura,facturas",
    "object:date": "data,datas,dia,vencimento,data de pagamento,data de vencimento",
    "object:amount": "valor,valores,montante,total,quantia,soma,importancia",
    "object:subscription": "assinatura,assinaturas,subscricao,plano,pacote",
    "object:trial": "teste,testes,gratis,gratuito,gratuita,experimentacao",
    "object:card": "cartao,cartoes",
    "object:method": "metodo,metodo de pagamento,forma de pagamento,meio de pagamento",
    "object:refund": "reembols*,estorn*,devol*",
    "object:discount": "desconto,descontos,cupom,cupons,cupao,promo*,codigo",
    "object:dispute": "disput*,contest*,reclam*",
    "object:receipt": "recibo,recibos,comprovante*,copia,copias,nota fiscal,pdf,contador",
    "object:link": "link,pagina,site",
    "object:details": "endereco,email,e mail,cnpj,nif,nome,dados",
    "object:it": "isso,isto,quanto e,quanto seria,quanto fica",
    # time
    "tense:next": "proximo,proxima,proximos,proximas,prox,seguinte,seguintes,que vem,futuro,futura,de novo,novamente,"
    "outra vez,proxima vez",
    "tense:will": "cobrarao,cobrara,pagarei,pagaremos,vai,vou,vao,sera,serei,serao,irao,irei,ira,vamos",
    "tense:due": "devo pagar,tenho que,tenho de,preciso pagar,precisa,vence,vencem,vencera,vencimento,"
    "data de vencimento",
    "tense:past": "ultimo,ultima,ultimos,ultimas,anterior,anteriores,foi,foram,fui,paguei,pagou,paga em,cobraram,"
    "cobrou,fiz,fizeram,recente*,ontem,historico,passado,passada,ja,duas vezes,ate hoje",
    "tense:every": "por mes,ao mes,todo mes,cada mes,mensal,mensais,mensalmente,por ano,ao ano,anual,anualmente,"
    "todo ano",
    # actions
    "action:pay": "pagarei,pagaremos,pagar*,paga,pagamos,pague,preciso pagar,devo pagar",
    "action:charge": "cobrarao,cobrara,cobrar*,cobrad*,cobram,cobra,cobrem,debitad*,debitar*,debitam,descontad*,"
    "descontar*,descontam,faturad*,faturar*,cair,cai,sai,retirad*",
    "action:renew": "renov*",
    "action:cancel": "cancel*,encerr*,termina,terminar,acaba,parar",
    "action:retry": "tentativa,tentativas,tentar*,tentam",
    "action:fail": "falh*,recus*,rejeit*,erro,erros,negad*",
    "action:update": "mudar,muda,mudo,mudei,mudanca,alter*,atualiz*,troc*,adicion*,adiar,adi*,antecip*,modific*,"
    "aumentar,usar,dividir,pular,melhorar",
    "action:owe": "em dia,devo,pendente,pendentes,saldo,em aberto,atras*,divida,dividas,devendo",
    "action:expire": "expir*,validade,valido,valida,caduc*",
    "action:confirm": "confirm*,receb*,sucesso,process*,funcion*,status,deu certo",
    "action:send": "mostr*,envi*,mand*,lista,listar,baix*",
}
