-- The customer filter: by which statuses the mirror was last kept, and of which kinds each chosen customer's objects are there.
alter table bridged.filter_members add column kinds text[] not null default '{}';
comment on column bridged.filter_members.kinds is 'the kinds of which the mirror has all that is this customer''s';

-- No row: nothing was ever left out, or all of it has been fetched again.
create table bridged.filters (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade primary key,
  statuses text[] not null
);
comment on column bridged.filters.statuses is
  'the subscriptions of customers without any in one of these statuses have been left out';

create table bridged.filter_kinds (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  kind text not null,
  whole boolean not null,
  objects bigint,
  run_id bigint,
  primary key (connection_id, kind)
);
comment on column bridged.filter_kinds.whole is 'whether everybody''s objects are there; so it is where there is no row';
comment on column bridged.filter_kinds.objects is 'how many Stripe had when the kind was last listed, chosen or not';
comment on column bridged.filter_kinds.run_id is 'the run that listed the kind and then left out what is outside the filter';

alter table bridged.runs add column statuses text[];
comment on column bridged.runs.statuses is 'the customer filter this run works for; null: all customers';

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['filters', 'filter_kinds'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;
