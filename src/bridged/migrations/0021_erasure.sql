-- Customers whose personal data was erased for good. What is left of each object is a tombstone from the end of time, so
-- that by the one rule of the mirror no state of it is ever news again.
create table bridged.erasures (
  workspace_id bigint not null references bridged.workspaces on delete cascade,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null check (length(customer_id) between 5 and 255),
  id uuid not null default gen_random_uuid(),
  erased_at timestamptz not null,
  erased_by text not null,
  counts jsonb not null default '{}',
  swept_at timestamptz not null,
  primary key (connection_id, customer_id)
);
comment on column bridged.erasures.counts is 'by table, how many rows held something of theirs';
alter table bridged.erasures enable row level security;
create policy workspace on bridged.erasures using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.erasures to bridged_app;

do $$
declare
  mirror text;
begin
  for mirror in select tablename from pg_tables where schemaname = 'stripe' loop
    execute format('create index on stripe.%I (connection_id, id) where as_of >= ''9000-01-01 00:00:00+00''', mirror);
  end loop;
end $$;
