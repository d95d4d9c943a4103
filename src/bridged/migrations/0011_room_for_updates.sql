-- Room on each page for a newer version of a row beside the older: then no index has to be told of it. Pages written
-- before keep what they have until they are written anew.
do $$
declare
  mirror text;
begin
  for mirror in select tablename from pg_tables where schemaname = 'stripe' loop
    execute format('alter table stripe.%I set (fillfactor = 80)', mirror);
  end loop;
end $$;
