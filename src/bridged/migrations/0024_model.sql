-- What the optional language model cost, per connection and UTC day: its budget is kept across processes and restarts.
create table bridged.model_spending (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  day date not null,
  micros bigint not null default 0 check (micros >= 0),
  calls integer not null default 0 check (calls >= 0),
  primary key (connection_id, day)
);
alter table bridged.model_spending enable row level security;
create policy workspace on bridged.model_spending using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.model_spending to bridged_app;
