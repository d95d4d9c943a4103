-- Compressing with pglz took a fifth of what storing a page costs the server, more than anything else that can be left
-- out; it is what kept a first sync behind Stripe's limit on slow machines. Where PostgreSQL has lz4, that is used: it
-- costs little and keeps rows small. Else the objects are stored as they are. Rows of before stay as they are until they
-- are written again. docs/decisions/0025-uncompressed.md
do $$
declare
  mirror text;
  has_lz4 boolean := exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any(enumvals));
begin
  for mirror in select tablename from pg_tables where schemaname = 'stripe' loop
    if has_lz4 then
      execute format('alter table stripe.%I alter column data set compression lz4', mirror);
    else
      execute format('alter table stripe.%I alter column data set storage external', mirror);
    end if;
  end loop;
end $$;
