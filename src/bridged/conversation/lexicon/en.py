"""English words, as `words_of` leaves them. A trailing star stands for any ending; `plain` gives no slot."""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "plain": "explain,explains,banking,sent,notice,notices,checking,books,checked,outdated,rough,roughly,nobody,"
    "properly,accounting,overview,found,missed,sort,min,mins,scheduled,enough,yes,remain,remaining,bucks,dollars,"
    "dollar,euros,euro,pounds,january,february,"
    "march,april,may,june,july,august,september,october,november,december,monday,tuesday,wednesday,thursday,friday,"
    "saturday,sunday,months,month,happened,happening,happens,please,hello,sir,madam,team,guys,dear,kindly,regards,"
    "amount,amounts,arent,aren,isn,wasn,weren,hasn,haven,doesn,didn,couldn,wouldn,shouldn,won,don,shows,show,leaves,"
    "round,"
    "connect,appears,filed,lose,terminal,terminals,passed,book,books,document,documents,term,terms,happening,nagging,"
    "presently,"
    "currently,but,here,them,they,he,she,who,whom,some,not,no,only,very,really,too,however,"
    "because,since,while,than,into,over,under,after,before,up,down,most,other,another,such,same,own,each,few,many,"
    "much,both,all,good,bad,new,old,big,small,long,short,first,second,third,thing,things,something,anything,nothing,"
    "everything,someone,people,years,weeks,days,today,tomorrow,morning,evening,night,afternoon,hour,hours,minute,"
    "minutes,times,way,bit,lot,kind,sort,hospital,away,abroad,moving,make,makes,making,got,gave,given,went,come,came,"
    "comes,put,set,said,say,says,told,asked,ask,asking,think,thought,knew,known,looked,looking,saw,seen,found,wanted,"
    "needed,liked,tried,used,help,sorry,worry,worried,happy,sure,maybe,perhaps,even,still,yet,never,always,sometimes,"
    "often,around,through,between,without,within,during,until,till,against,toward,where,why,how,what,which,when,"
    "whose,myself,yourself,itself,ourselves,him,his,her,yours,mine,ours,theirs,cant,dont,wont,isnt,wasnt,havent,"
    "hasnt,arent,couldnt,wouldnt,shouldnt,rather,plenty,whole,entire,actually,basically,honestly,curious,possible,"
    "able,possibly,quickly,later,early,late,right,left,wrong,fine,okay,well,hear,heard,letter,phone,online,message,"
    "mail,called,customer,business,card,daughter,son,wife,husband,boss,friend,colleague,neighbour,neighbor,mother,"
    "father,brother,sister,a,an,the,my,me,i,im,is,be,am,are,do,does,of,to,for,on,in,at,by,from,with,and,or,please,"
    "pls,hi,hello,hey,"
    "you,your,u,tell,know,could,would,like,let,this,that,s,ll,m,exactly,thanks,thank,get,gets,getting,money,account,"
    "about,out,our,we,us,month,week,year,time,just,so,now,soon,then,off,there,have,has,need,want,wanna,question,quick,"
    "expect,due,bank,company,also,any,date,see,check,find,look,wondering,can,if,back,next,its,it",
    # questions
    "question:when": "when,wen,whn,when s,whens,what day,which day,what date,which date,how soon,how long until,"
    "how long till,how long before,how many days until,how many days till,how many days to,how many days before,"
    "what time",
    "question:how_much": "how much,howmuch,how big,how high,how large,what amount,which amount,what price,cost,costs,"
    "price",
    "question:what": "what,whats",
    "question:which": "which,what card,what kind,what plan,what payment method",
    "question:why": "why,how come,what for,reason",
    "question:where": "where",
    "question:how": "how",
    "question:if": "what happens,what if,happens if,in case,unless,whether i",
    "question:can": "can i,may i,could i,is it possible,i want to,i would like to pay",
    # objects
    "object:payment": "payment,payments,pymt,pmt,charge,charges,billing,debit,debits,direct debit,instalment,"
    "instalments,installment,installments,collection,withdrawal,deduction,renewal payment,payment date,due date",
    "object:invoice": "invoice,invoices,bill,bills,inv",
    "object:date": "date,dates,day,deadline,due date,payment date,on what",
    "object:amount": "amt,amnt,amount,amounts,total,sum,figure",
    "object:subscription": "subscription,subscriptions,plan,membership,package",
    "object:trial": "trial,trials,free period,free month",
    "object:card": "card,cards,visa,mastercard",
    "object:method": "payment method,payment methods,on file",
    "object:refund": "refund,refunds,refunded,refunding,reimbursed,reimbursement,reimburse,money back",
    "object:discount": "discount,discounts,coupon,coupons,promo,promotion,voucher,code",
    "object:dispute": "dispute,disputes,disputed,chargeback,chargebacks",
    "object:receipt": "receipt,receipts,copy,pdf,accountant",
    "object:link": "link,url,website,page",
    "object:details": "address,email,e mail,vat,tax,name",
    "object:it": "it,that,this,its",
    # time
    "tense:next": "next,nxt,nex,upcoming,coming,following,again,future,next time,next month",
    "tense:will": "will,ll,going to,gonna,gona,shall,about to,expect to",
    "tense:due": "due,have to,must,need to,needs to,supposed to,got to,gotta,should,due date",
    "tense:past": "two,identical,same day,last,latest,previous,most recent,recent,recently,was,were,did,didnt,paid,"
    "have i,already,ago,"
    "yesterday,history,past,so far,been,had,made,to date,last time,last month,last year,ever,twice,double",
    "tense:every": "each month,every month,per month,a month,monthly,each year,every year,per year,a year,yearly,"
    "annually,annual,fee,fees,each week,per week,weekly,each time,usually",
    # actions
    "action:pay": "pay,paying,pays,payable",
    "action:charge": "charge,charged,charging,bill,billed,invoiced,debited,deducted,take,takes,taken,taking,collect,"
    "collected,come out,comes out,coming out,go out,goes out,leave my account,withdraw,withdrawn",
    "action:renew": "renew,renews,renewed,renewal,renewing,auto renew,autorenew",
    "action:cancel": "cancel,cancels,cancelled,canceled,cancelling,canceling,cancellation,stop,stopped,end,ends,ended,"
    "terminate,quit",
    "action:retry": "attempted,attempting,reattempt,reattempted,another charge,another go,have another go,"
    "second attempt,another attempt,another try,retry,retries,retried,"
    "retrying,attempt,attempts,try,try again,trying",
    "action:fail": "fail,fails,failed,failing,failure,declined,decline,rejected,refused,not accepted,went wrong,"
    "bounced",
    "action:update": "update,updated,change,changes,changed,changing,add,replace,switch,move,upgrade,downgrade,"
    "postpone,delay,skip,use,modify,edit,extend,split,reduce,lower,push back,bring forward,higher,more,less",
    "action:owe": "owe,owed,outstanding,unpaid,overdue,behind,balance,arrears",
    "action:expire": "expire,expires,expired,expiry,expiring,expiration,valid",
    "action:confirm": "go through,goes through,went through,successful,receive,received,confirmed,processed,work,"
    "status",
    "action:send": "send,show,list,download,give,sent,resend",
}
