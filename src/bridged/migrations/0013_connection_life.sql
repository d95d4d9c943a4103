-- The life of a connection: what it may do at Stripe, what is wrong with it, when its key was replaced, when it ended.
alter table bridged.connections
  add column access text not null default 'read_only' check (access in ('read_only', 'read_write')),
  add column trouble text,
  add column trouble_message text,
  add column trouble_hint text,
  add column trouble_since timestamptz,
  add column key_replaced_at timestamptz,
  add column old_key_fingerprint text,
  add column disconnected_at timestamptz;
comment on column bridged.connections.trouble is 'code of the error for which a person is needed; null: none. Nothing is read meanwhile';
comment on column bridged.connections.disconnected_at is 'the credentials are gone; what was mirrored stays until it is deleted';

-- One connection reads and writes an account in a mode, whoever's it is. The key says so across workspaces, and whoever
-- is refused learns only that somebody has it.
create table bridged.write_claims (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null unique references bridged.connections on delete cascade,
  account_id text not null,
  livemode boolean not null,
  primary key (account_id, livemode)
);
alter table bridged.write_claims enable row level security;
create policy workspace on bridged.write_claims using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.write_claims to bridged_app;

-- Nothing is read by itself where a person is needed, or where there is no key any more.
create or replace function bridged.due_connections(at timestamptz)
  returns table (workspace_id bigint, connection_id uuid, next_sync_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select s.workspace_id, s.connection_id, s.next_sync_at from bridged.sync_settings s
  join bridged.connections c on c.id = s.connection_id
  where s.next_sync_at <= at and not s.paused and c.trouble is null and c.disconnected_at is null
  order by s.next_sync_at
$$;

create or replace function bridged.connections_to_watch(before timestamptz)
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select s.workspace_id, s.connection_id from bridged.sync_settings s
  join bridged.connections n on n.id = s.connection_id
  left join bridged.event_cursors c on c.connection_id = s.connection_id
  where s.method <> 'api' and not s.paused and n.trouble is null and n.disconnected_at is null
    and (c.checked_at is null or c.checked_at <= before)
$$;

create or replace function bridged.connections_with_rereads(at timestamptz)
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select distinct r.workspace_id, r.connection_id from bridged.rereads r
  join bridged.connections c on c.id = r.connection_id
  where r.due_at <= at and c.trouble is null and c.disconnected_at is null
$$;
