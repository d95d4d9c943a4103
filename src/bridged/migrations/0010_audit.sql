-- The audit log: who did what to what, from where, what it was before and after. Rows are only ever added.
create table bridged.audit (
  workspace_id bigint not null references bridged.workspaces,
  id bigint generated always as identity,
  at timestamptz not null,
  actor_kind text not null check (actor_kind in ('user', 'token', 'cli', 'system', 'stripe')),
  actor_id text,
  actor_name text not null,
  address text,
  action text not null,
  target text not null,
  connection_id uuid,
  before jsonb,
  after jsonb,
  request_id text,
  stripe_request_id text,
  primary key (workspace_id, id)
);
comment on column bridged.audit.address is 'whence the request came; null: not over the network';
comment on column bridged.audit.before is 'the fields that changed, as they were; never a secret, its fingerprint at most';
comment on column bridged.audit.connection_id is 'no foreign key: the record outlives what it is about';
create index on bridged.audit (workspace_id, target, id desc);
create index on bridged.audit (workspace_id, connection_id, id desc) where connection_id is not null;

alter table bridged.audit enable row level security;
create policy workspace on bridged.audit using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert on bridged.audit to bridged_app;

-- With its name: the audit log says whose token it was.
drop function bridged.token_of(bytea);
create function bridged.token_of(digest bytea)
  returns table (workspace_id bigint, id uuid, scopes text[], name text)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select t.workspace_id, t.id, t.scopes, t.name from bridged.api_tokens t
  where t.hash = digest and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
$$;
revoke execute on function bridged.token_of(bytea) from public;
grant execute on function bridged.token_of(bytea) to bridged_app;
