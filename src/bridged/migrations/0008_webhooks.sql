-- Webhooks: endpoints and their secrets, what was delivered, the events in it, what they changed, what they left in doubt.

-- Whoever stands at the open door may put something into the inbox, for any tenant, and do nothing else: not even read.
do $$
begin
  if not exists (select from pg_roles where rolname = 'bridged_inbox') then
    create role bridged_inbox nologin nosuperuser nocreatedb nocreaterole nobypassrls;
  end if;
exception when duplicate_object or unique_violation then
  null; -- another database of this cluster was migrated in the same moment
end $$;

do $$
begin
  if not pg_has_role(current_user, 'bridged_inbox', 'member') then
    execute format('grant bridged_inbox to %I', current_user);
  end if;
end $$;

grant usage on schema bridged to bridged_inbox;

create table bridged.webhook_endpoints (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade primary key,
  url text not null,
  endpoint_id text,
  api_version text,
  events text[] not null default '{}',
  state text not null default 'waiting' check (state in ('waiting', 'enabled', 'disabled', 'missing', 'refused')),
  problem text,
  checked_at timestamptz,
  created_at timestamptz not null default now()
);
comment on column bridged.webhook_endpoints.endpoint_id is 'at Stripe, if we made it; null: a person made it';
comment on column bridged.webhook_endpoints.state is 'waiting: for the first event; refused: the key may not write endpoints';

create table bridged.webhook_secrets (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id uuid not null default gen_random_uuid(),
  fingerprint text not null,
  ciphertext bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  primary key (connection_id, id),
  unique (connection_id, fingerprint)
);

-- Tables that grow without end are cut by week, so that what is old goes by dropping a partition. The default one takes
-- what no week is there for. Rows of a week are reached through the parent only: on a partition nobody has rights.
create function bridged.add_week_v1(parent text, monday date) returns boolean
  language plpgsql as $$
declare
  name text := format('%s_%s', parent, to_char(monday, 'YYYYMMDD'));
begin
  if to_regclass('bridged.' || name) is not null then return false; end if;
  execute format('create table bridged.%I (like bridged.%I including defaults including constraints including storage)', name, parent);
  execute format('alter table bridged.%I enable row level security', name);
  execute format('create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
                    with check (workspace_id = bridged.workspace_id())', name);
  begin
    execute format('alter table bridged.%I attach partition bridged.%I for values from (%L) to (%L)',
                   parent, name, monday::timestamp at time zone 'UTC', (monday + 7)::timestamp at time zone 'UTC');
  exception when check_violation then
    execute format('drop table bridged.%I', name); -- the default partition has rows of that week: they stay there
    return false;
  end;
  return true;
end $$;

create sequence bridged.event_seq;

-- Events by Stripe's own time, which never changes: so an event is there once, however often it is delivered.
create table bridged.events (
  workspace_id bigint not null,
  connection_id uuid not null,
  created timestamptz not null,
  id text not null,
  seq bigint not null default nextval('bridged.event_seq'),
  type text not null,
  object_id text,
  customer_id text,
  api_version text,
  source text not null check (source in ('webhook', 'list')),
  received_at timestamptz not null,
  state text not null default 'pending' check (state in ('pending', 'applied', 'ignored', 'logged', 'failed')),
  outcome text,
  tie text check (tie in ('ordered', 'reread')),
  attempts int not null default 0,
  due_at timestamptz not null default '-infinity',
  applied_at timestamptz,
  error text,
  replay_id bigint,
  payload bytea not null,
  primary key (connection_id, created, id)
) partition by range (created);
comment on column bridged.events.seq is 'order of arrival';
comment on column bridged.events.state is
  'pending: to be applied; applied; ignored: nothing we mirror; logged: the method says not to apply; failed: a dead letter, tried again at due_at';
-- The bytes as they came, outside the row: marking an event does not write them again, and compressing costs more than it saves.
alter table bridged.events alter column payload set storage external;
create index on bridged.events (connection_id, seq) where state in ('pending', 'failed');
create index on bridged.events (connection_id, object_id, created);
create index on bridged.events (connection_id, customer_id, created) where customer_id is not null;

-- One row for each request that came to a webhook address, refused ones too (those with their beginning, and bounded).
create table bridged.deliveries (
  workspace_id bigint,
  connection_id uuid not null,
  received_at timestamptz not null,
  id uuid not null default gen_random_uuid(),
  verdict text not null,
  event_id text,
  event_created timestamptz,
  type text,
  signed_at timestamptz,
  bytes int not null,
  suppressed int not null default 0,
  signature text,
  body bytea,
  primary key (connection_id, received_at, id)
) partition by range (received_at);
comment on column bridged.deliveries.workspace_id is 'null: there is no such connection';
comment on column bridged.deliveries.verdict is 'accepted, or why it was refused';
comment on column bridged.deliveries.suppressed is 'refusals before this one of which only the number was kept';
create index on bridged.deliveries (connection_id, event_id) where event_id is not null;
create index on bridged.deliveries (connection_id, received_at) where verdict <> 'accepted';

-- What an event, or a read that an event asked for, changed in the mirror.
create table bridged.changes (
  workspace_id bigint not null,
  connection_id uuid not null,
  at timestamptz not null,
  id bigint generated always as identity,
  kind text not null,
  object_id text not null,
  change text not null check (change in ('added', 'changed', 'deleted')),
  cause text not null check (cause in ('event', 'reread')),
  event_id text,
  fields jsonb not null default '{}',
  primary key (connection_id, at, id)
) partition by range (at);
comment on column bridged.changes.fields is 'by path, the value before and after';
create index on bridged.changes (connection_id, event_id);
create index on bridged.changes (connection_id, object_id, at);

-- Objects that events left in doubt: each is read again, once however many events told of it.
create table bridged.rereads (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  kind text not null,
  object_id text not null,
  reason text not null,
  event_id text,
  asked_at timestamptz not null,
  round bigint not null default 0,
  attempts int not null default 0,
  due_at timestamptz not null default '-infinity',
  error text,
  primary key (connection_id, kind, object_id)
);
comment on column bridged.rereads.round is 'grows each time it is asked for: a read begun before does not answer it';

-- Where watching the list of events has come to, and what it found that no delivery had brought.
create table bridged.event_cursors (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade primary key,
  read_until timestamptz not null,
  checked_at timestamptz not null,
  problem text
);
comment on column bridged.event_cursors.read_until is 'by Stripe''s clock: every event before is in the inbox';
create table bridged.gaps (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id bigint generated always as identity,
  first_event timestamptz not null,
  last_event timestamptz not null,
  missed int not null,
  found_at timestamptz not null,
  primary key (connection_id, id)
);

create table bridged.replays (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id bigint generated always as identity,
  asked_at timestamptz not null,
  total int not null,
  canceled_at timestamptz,
  primary key (connection_id, id)
);

do $$
declare
  tenant_table text;
  parent text;
begin
  foreach parent in array array['events', 'deliveries', 'changes'] loop
    execute format('create table bridged.%I partition of bridged.%I default', parent || '_default', parent);
    execute format('alter table bridged.%I enable row level security', parent || '_default');
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', parent || '_default');
  end loop;
  foreach tenant_table in array array['webhook_endpoints', 'webhook_secrets', 'events', 'deliveries', 'changes',
                                      'rereads', 'event_cursors', 'gaps', 'replays'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;

grant insert on bridged.events, bridged.deliveries to bridged_inbox;
grant usage on sequence bridged.event_seq to bridged_app, bridged_inbox;
create policy inbox on bridged.events for insert to bridged_inbox with check (true);
create policy inbox on bridged.deliveries for insert to bridged_inbox with check (true);

-- What must be asked across tenants: whose address is this, who has events to apply, who has objects to read again.
create function bridged.webhook_target(connection uuid)
  returns table (workspace_id bigint, livemode boolean, account_id text, secrets jsonb)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.workspace_id, c.livemode, c.account_id,
    coalesce((select jsonb_agg(jsonb_build_object('id', w.id, 'ciphertext', encode(w.ciphertext, 'base64'),
                                                  'expires_at', extract(epoch from w.expires_at)))
                from bridged.webhook_secrets w where w.connection_id = c.id), '[]')
  from bridged.connections c where c.id = connection
$$;

create function bridged.connections_with_events()
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with recursive found as (
    (select e.workspace_id, e.connection_id from bridged.events e where e.state in ('pending', 'failed')
     order by e.connection_id limit 1)
    union all
    (select following.workspace_id, following.connection_id from found, lateral (
       select e.workspace_id, e.connection_id from bridged.events e
       where e.state in ('pending', 'failed') and e.connection_id > found.connection_id
       order by e.connection_id limit 1) following)
  )
  select found.workspace_id, found.connection_id from found
$$;

create function bridged.connections_with_rereads(at timestamptz)
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select distinct r.workspace_id, r.connection_id from bridged.rereads r where r.due_at <= at
$$;

create function bridged.connections_to_watch(before timestamptz)
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select s.workspace_id, s.connection_id from bridged.sync_settings s
  left join bridged.event_cursors c on c.connection_id = s.connection_id
  where s.method <> 'api' and not s.paused and (c.checked_at is null or c.checked_at <= before)
$$;

-- The coming weeks get their partitions, what is older than its time goes. Both ends by the owner's right, from a job.
create function bridged.tend_weeks(now_is timestamptz, keep_days int)
  returns table (added int, dropped int)
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s'
as $$
declare
  parent text;
  monday date;
  old record;
begin
  added := 0; dropped := 0;
  perform pg_advisory_xact_lock(7237234);
  foreach parent in array array['events', 'deliveries', 'changes'] loop
    for ahead in -5..2 loop
      monday := date_trunc('week', now_is at time zone 'UTC')::date + ahead * 7;
      if bridged.add_week_v1(parent, monday) then added := added + 1; end if;
    end loop;
    for old in
      select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = ('bridged.' || parent)::regclass and c.relname ~ ('^' || parent || '_\d{8}$')
        and to_date(right(c.relname, 8), 'YYYYMMDD') + 7 <= (now_is at time zone 'UTC')::date - keep_days
    loop
      execute format('drop table bridged.%I', old.relname);
      dropped := dropped + 1;
    end loop;
  end loop;
  return next;
end $$;

revoke execute on function bridged.webhook_target(uuid), bridged.connections_with_events(),
  bridged.connections_with_rereads(timestamptz), bridged.connections_to_watch(timestamptz),
  bridged.tend_weeks(timestamptz, int), bridged.add_week_v1(text, date) from public;
grant execute on function bridged.webhook_target(uuid), bridged.connections_with_events(),
  bridged.connections_with_rereads(timestamptz), bridged.connections_to_watch(timestamptz),
  bridged.tend_weeks(timestamptz, int) to bridged_app;

select bridged.tend_weeks(now(), 36500);
