-- What came back undelivered longer ago was decided anew by the version before, or is of no use any more.
update bridged.messages set taken_back_at = settled_at where state = 'expired' and settled_at < now() - interval '2 days';
