-- Profiles, as far as scores read them.

create table bridged.profiles (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  facts jsonb not null,
  primary key (connection_id, customer_id)
);
alter table bridged.profiles enable row level security;
create policy workspace on bridged.profiles using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.profiles to bridged_app;
