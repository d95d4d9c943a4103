"""French words, as `words_of` leaves them. A trailing star stands for any ending; `plain` gives no slot."""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "plain": "explique,expliquer,societe,verifier,avis,trouve,oublie,crois,peu,nos,avons,voulons,ouverte,ouvert,"
    "utilisez,utilise,quand,meme,compta,comptabilite,euros,euro,ferez,tranche,janvier,fevrier,mars,avril,mai,juin,"
    "juillet,aout,septembre,octobre,novembre,"
    "decembre,lundi,mardi,mercredi,jeudi,vendredi,samedi,dimanche,matin,soir,recevoir,faites,pourrais,envoyer,vite,"
    "stp,coup,aussi,mais,donc,car,parce,comme,tres,plus,moins,tout,toute,tous,toutes,rien,personne,quelque,quelques,"
    "chose,autre,autres,meme,chaque,sans,sous,entre,depuis,pendant,contre,vers,avant,apres,toujours,jamais,aujourd,"
    "demain,semaines,ans,annees,jours,heure,heures,fois,bien,mal,mieux,bon,bonne,grand,petit,nouveau,vieux,premier,"
    "deuxieme,gens,pardon,desole,excusez,ai,as,avons,avais,avait,suis,es,sommes,etes,etais,etre,faire,fais,fait,font,"
    "dis,dit,aller,venir,viens,vient,donner,donne,pouvoir,peut,pouvais,vouloir,veut,voulais,sais,sait,crois,pense,"
    "vois,voir,regarde,besoin,pourriez,attends,espere,lui,leur,leurs,elles,qui,quel,quelle,prie,proceder,indiquer,"
    "seulement,vraiment,enfin,etranger,pars,promis,dessus,tombe,le,la,les,l,un,une,des,mon,ma,mes,est,sont,de,d,du,"
    "me,m,moi,je,j,en,a,au,aux,pour,par,dans,et,ou,avec,"
    "bonjour,salut,bonsoir,merci,s,il,vous,plait,svp,stp,voudrais,veux,aimerais,savoir,connaitre,pouvez,peux,dire,"
    "dites,votre,vos,on,nous,tu,ton,ta,tes,ce,cette,que,qu,t,quand,mois,semaine,an,annee,argent,compte,banque,"
    "maintenant,alors,question,elle,ils,c,ca,puis,sur,y,passe",
    # questions
    "question:when": "quand,kan,quel jour,quelle date,a quelle date,quels jours,dans combien de temps,"
    "dans combien de jours,combien de temps avant,combien de jours avant,pour quand,jusqu a quand",
    "question:how_much": "combien,cb,quel prix,quel montant,quelle somme,coute,coutera,couter,prix,a combien",
    "question:what": "quoi,quel est,quelle est,quel sera,quelle sera,quels sont,quelles sont,que,qu est",
    "question:which": "quelle carte,quel moyen,quel abonnement,quelle formule,lequel,laquelle",
    "question:why": "pourquoi,raison",
    "question:where": "ou est,ou puis,ou en est,ou peut,ou dois,ou se",
    "question:how": "comment",
    "question:if": "que se passe,qu arrive,si je,si jamais",
    "question:can": "puis je,est ce que je peux,je peux,je veux payer",
    # objects
    "object:payment": "paiement*,prelevement*,prelvt,debit,debits,echeance*,mensualite*,versement*,reglement*,"
    "cotisation*,facturation*",
    "object:invoice": "facture,factures",
    "object:date": "date,dates,jour,echeance*,date limite",
    "object:amount": "montant*,somme,total,valeur",
    "object:subscription": "abonnement,abonnements,formule,forfait,adhesion",
    "object:trial": "essai,essais,gratuit*",
    "object:card": "carte,cartes",
    "object:method": "moyen de paiement,moyens de paiement,mode de paiement,methode de paiement",
    "object:refund": "rembours*",
    "object:discount": "remise*,reduction*,coupon*,promo*,code",
    "object:dispute": "litige*,contest*,reclam*",
    "object:receipt": "recu,recus,copie*,justificatif*,pdf,comptable*",
    "object:link": "lien,liens,page,site",
    "object:details": "adresse*,email,e mail,mail,tva,nom,coordonnees",
    "object:it": "ca,cela,c est",
    # time
    "tense:next": "prochain,prochaine,prochains,prochaines,suivant*,a venir,futur*,de nouveau,a nouveau,encore,"
    "prochaine fois,prochainement",
    "tense:will": "preleverez,prelevera,preleverons,debitera,debiterez,facturera,paierai,payerai,coutera,sera,serai,"
    "serez,seront,vais,va,allez,allons,vas,vont,aura,aurai",
    "tense:due": "dois,doit,devrai,devra,exigible*,a payer,a regler,faut,due,dues,date limite,arrive a echeance",
    "tense:past": "dernier,derniere,derniers,dernieres,precedent*,hier,ete,etait,ai je,j ai,avez vous,as tu,ont,"
    "recent*,historique*,deja,deux fois,avez,a t on,a t il,a t elle,mois passe,an passe,annee passee,est passe,"
    "est il passe,sont passes",
    "tense:every": "par mois,mensuel*,mensuellement,chaque mois,par an,annuel*,tous les mois,chaque annee,tous les ans",
    # actions
    "action:pay": "paierai,payerai,payer*,paye,paie,payons,paies,payes,regler*,debourser,a payer,a regler",
    "action:charge": "preleverez,prelevera,preleverons,debitera,debiterez,facturera,prelev*,debite*,debiter*,"
    "facturer*,facture,facturez,facturee,encaiss*,tire,retire*",
    "action:renew": "renouvel*,reconduction*,reconduit*",
    "action:cancel": "annul*,resili*,desabonn*,arret*,mettre fin,termine*,prend fin,fin",
    "action:retry": "reessa*,retent*,tentative*,tenter*,essayer*",
    "action:fail": "echou*,echec*,refus*,rejet*,probleme*",
    "action:update": "modifi*,chang*,mettre a jour,mise a jour,ajout*,remplac*,report*,decal*,upgrade*,repouss*,"
    "utilis*,avancer,passer",
    "action:owe": "reste,a jour,impaye*,solde*,retard*,arriere*,dette*",
    "action:expire": "expir*,valable*,valide*,validite",
    "action:confirm": "abouti*,confirm*,bien recu,traite*,statut,marche,fonctionn*",
    "action:send": "montr*,affich*,envoy*,list*,donn*,telecharg*",
}
