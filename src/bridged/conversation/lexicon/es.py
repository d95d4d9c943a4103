"""Spanish words, as `words_of` leaves them. A trailing star stands for any ending; `plain` gives no slot."""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "plain": "explico,explicar,empresa,contabilidad,revisar,avisaron,aviso,encontre,igual,falta,paso,verdad,regla,"
    "nuestras,nuestros,usamos,necesitamos,queremos,tenemos,podemos,gastamos,desactualizada,euros,euro,pesos,dolares,"
    "hara,haran,denme,abri,pasenme,ensename,puse,recuerdo,respuesta,hacerme,bucks,"
    "enero,febrero,marzo,abril,mayo,junio,julio,agosto,septiembre,octubre,noviembre,diciembre,lunes,martes,miercoles,"
    "jueves,viernes,sabado,domingo,envieme,mandeme,digame,haga,hagan,puedan,quieran,recibir,recibi,hecho,hecha,mesmo,"
    "asi,aun,tambien,pero,como,muy,mas,menos,todo,toda,todos,todas,nada,nadie,algo,alguno,alguna,otro,"
    "otra,mismo,misma,cada,sin,sobre,entre,hasta,desde,durante,segun,contra,hacia,antes,despues,luego,siempre,nunca,"
    "hoy,manana,semanas,meses,anos,hora,horas,veces,bien,mal,mejor,peor,bueno,buena,gran,grande,pequeno,nuevo,viejo,"
    "primero,segundo,tercero,cosa,cosas,persona,gente,perdon,disculpe,disculpa,has,habia,ser,soy,eres,somos,era,"
    "estaba,estuve,hacer,hago,hace,hizo,decir,digo,dice,dijo,dijeron,ir,fui,venir,dar,doy,di,tener,tuve,tenia,poder,"
    "pude,querer,quise,sabe,creo,pienso,veo,vi,mirar,gustaria,indicarme,indicar,informarme,facilitarme,siento,espero,"
    "esperando,os,vosotros,ellos,ella,ellas,el,quien,donde,cuando,trasladado,mudo,extranjero,q,cto,x,xq,pq,el,la,los,"
    "las,un,una,mi,mis,es,son,de,del,me,se,le,les,lo,a,al,en,para,por,favor,y,o,con,hola,buenas,"
    "buenos,dias,tardes,quiero,quisiera,saber,necesito,puedes,puede,podrias,decirme,dime,digame,su,tu,sus,tus,nos,yo,"
    "ustedes,usted,gracias,mes,semana,ano,dinero,cuenta,banco,ahora,entonces,esta,este,estan,pregunta,consulta,tengo,"
    "hay,si,esto,eso,aqui,vez,ver",
    # questions
    "question:when": "cuando,cuand,que dia,que fecha,en que fecha,en que dia,cual fecha,cuanto falta,"
    "cuantos dias faltan,cuanto tiempo falta,para cuando,hasta cuando",
    "question:how_much": "cto,cuanta plata,cuanto,cuanta,cuantos,a cuanto,que importe,que cantidad,que monto,"
    "que valor,cuesta,cuestan,"
    "costara,precio,cuanto es",
    "question:what": "que,cual,cual es,cual sera",
    "question:which": "que tarjeta,cual tarjeta,con que,cuales,que plan,que metodo",
    "question:why": "por que,porque,motivo,razon",
    "question:where": "donde",
    "question:how": "como",
    "question:if": "que pasa,que ocurre,que sucede,y si,si no",
    "question:can": "puedo,podria,se puede,quiero pagar",
    # objects
    "object:payment": "pago,pagos,cobro,cobros,cargo,cargos,cuota,cuotas,mensualidad,mensualidades,debito,facturacion,"
    "fecha de pago,plazo,domiciliacion",
    "object:invoice": "factura,facturas,recibo,recibos",
    "object:date": "fecha,fechas,dia,vencimiento,fecha de pago,fecha limite",
    "object:amount": "importe,importes,monto,cantidad,total,valor,suma",
    "object:subscription": "suscripcion,subscripcion,suscripciones,plan,membresia,paquete",
    "object:trial": "prueba,gratis,gratuito,gratuita",
    "object:card": "tarjeta,tarjetas",
    "object:method": "metodo,metodo de pago,metodos de pago,forma de pago",
    "object:refund": "reembols*,devol*,devuelv*",
    "object:discount": "descuento,descuentos,cupon,cupones,promo*,codigo",
    "object:dispute": "disput*,reclam*,contracargo*",
    "object:receipt": "comprobante*,copia,copias,justificante*,pdf,contador,gestor",
    "object:link": "enlace,link,pagina",
    "object:details": "direccion,correo,email,nif,iva,nombre,datos",
    "object:it": "eso,esto,cuanto es,cuanto seria,lo",
    # time
    "tense:next": "proximo,proxima,proximos,proximas,prox,siguiente,siguientes,que viene,futuro,otra vez,de nuevo,"
    "nuevamente,proxima vez,volver*,vuelven,vuelve,volveis",
    "tense:will": "cobrara,cobraran,cobrare,cobrareis,pagare,pagara,pagaremos,facturara,facturaran,va,van,voy,vais,"
    "vas,sera,seran,sere,va a,van a",
    "tense:due": "debo pagar,tengo que,hay que,toca,tocara,vence,vencen,vencera,debe,debemos,tendre,vencimiento,"
    "fecha limite,me corresponde",
    "tense:past": "ultimo,ultima,ultimos,ultimas,anterior,anteriores,fue,fueron,pague,pagado,pagada,cobraron,cobraste,"
    "cobrasteis,cobro ayer,he,han,hemos,ha,hicieron,hice,reciente*,ayer,historial,pasado,pasada,ya,dos veces,"
    "hasta hoy",
    "tense:every": "al mes,cada mes,por mes,mensual,mensuales,mensualmente,al ano,anual,anualmente,por ano,cada ano,"
    "todos los meses",
    # actions
    "action:pay": "pagare,pagara,pagaremos,pagar*,paga,pagamos,abonar,abono,debo pagar",
    "action:charge": "cobrara,cobraran,cobrare,cobrareis,facturara,facturaran,cobrar*,cobran,cobra,cobrais,cobren,"
    "cobras,cobrado,cobrada,cargan,cargar*,facturan,facturar*,debitan,debitar*,descuentan,descontar*,retiran,retirar*",
    "action:renew": "renov*,renuev*",
    "action:cancel": "cancel*,baja,anul*,termina,terminar,termino,finaliza,parar",
    "action:retry": "reintent*,intent*",
    "action:fail": "fallo,fallos,fallid*,fallar,falla,fallado,rechaz*,error,errores,denegad*",
    "action:update": "cambi*,actualiz*,modific*,anad*,agreg*,aplaz*,mover,retras*,adelant*,mejorar,subir,bajar,usar,"
    "dividir,saltar*,posponer,pospon*",
    "action:owe": "al dia,debo,pendiente,pendientes,saldo,impag*,adeud*,atras*,deuda,deudas",
    "action:expire": "caduc*,expir*,valida,valido",
    "action:confirm": "confirm*,recibi*,exito,exitoso,proces*,funcion*,estado",
    "action:send": "muestr*,mostrar,envi*,mand*,lista,listar,descarg*",
}
