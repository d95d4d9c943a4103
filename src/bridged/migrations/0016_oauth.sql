-- Connecting by OAuth: each state that a person was sent to Stripe with, and what came of it.
create table bridged.oauth_states (
  workspace_id bigint not null references bridged.workspaces on delete cascade,
  hash bytea not null check (length(hash) = 32),
  session_id uuid not null,
  livemode boolean not null,
  scope text not null check (scope in ('read_only', 'read_write')),
  access text not null check (access in ('read_only', 'read_write')),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  outcome text,
  primary key (workspace_id, hash)
);
comment on column bridged.oauth_states.session_id is 'only the session that began may come back with it';
comment on column bridged.oauth_states.used_at is 'committed before the code is exchanged: a second exchange would revoke the connection';
create index on bridged.oauth_states (workspace_id, expires_at);
alter table bridged.oauth_states enable row level security;
create policy workspace on bridged.oauth_states using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.oauth_states to bridged_app;

-- Whom a delivery to the platform's endpoint is for. Across workspaces: it names an account, not a tenant.
create function bridged.oauth_connections(account text, live boolean)
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.workspace_id, c.id from bridged.connections c
  where c.account_id = account and c.livemode = live and c.key_kind = 'oauth' and c.disconnected_at is null
$$;
revoke execute on function bridged.oauth_connections(text, boolean) from public;
grant execute on function bridged.oauth_connections(text, boolean) to bridged_app;
create index on bridged.connections (account_id, livemode) where key_kind = 'oauth';
