-- The sync engine: settings of a connection, history and control of runs, reads against the allocation, proofs.

-- Settings a person may change at any time. `every_seconds` null: only on request.
create table bridged.sync_settings (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade primary key,
  kinds text[] not null,
  every_seconds int check (every_seconds >= 60),
  method text not null default 'api' check (method in ('api', 'webhooks', 'both')),
  customers text not null default 'all' check (customers in ('all', 'active', 'status')),
  customer_statuses text[] not null default '{}',
  pace real not null default 0.5 check (pace between 0.1 and 1),
  quiet_from smallint check (quiet_from between 0 and 1439),
  quiet_until smallint check (quiet_until between 0 and 1439),
  quiet_pace real check (quiet_pace between 0 and 1),
  paused boolean not null default false,
  next_sync_at timestamptz,
  updated_at timestamptz not null default now(),
  check ((quiet_from is null) = (quiet_until is null))
);
comment on column bridged.sync_settings.quiet_from is 'minute of the day in the account''s time zone';
create index on bridged.sync_settings (next_sync_at) where next_sync_at is not null and not paused;

alter table bridged.runs
  add column mode text not null default 'full' check (mode in ('full', 'incremental', 'windows')),
  add column cause text not null default 'request' check (cause in ('request', 'schedule', 'bulk', 'resync')),
  add column stop text check (stop in ('pause', 'cancel')),
  add column progress jsonb,
  add column events_gap boolean not null default false;
comment on column bridged.runs.mode is
  'full: every list; incremental: events since the last run; windows: new objects and all that is not final, where events cannot be read';
comment on column bridged.runs.stop is 'what a person asked of the process that runs it';
alter table bridged.runs drop constraint runs_state_check;
alter table bridged.runs add constraint runs_state_check
  check (state in ('running', 'interrupted', 'complete', 'incomplete', 'failed', 'canceled'));

-- What each run did to each kind: the history.
create table bridged.run_kinds (
  workspace_id bigint not null,
  connection_id uuid not null,
  run_id bigint not null,
  kind text not null,
  complete boolean not null,
  stored bigint not null,
  changed bigint not null,
  deleted bigint not null,
  requests bigint not null,
  rate_limited bigint not null,
  seconds double precision not null,
  error_code text,
  error text,
  primary key (connection_id, run_id, kind),
  foreign key (connection_id, run_id) references bridged.runs (connection_id, id) on delete cascade
);

-- Requests by UTC day, for the read allocation (500 reads a transaction over 30 days, at least 10,000).
-- The first backfill is counted apart: it is exempt from our own budget.
create table bridged.reads (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  day date not null,
  reads bigint not null default 0,
  backfill_reads bigint not null default 0,
  writes bigint not null default 0,
  primary key (connection_id, day)
);

-- Proofs of equality: a kind's objects created in a month, compared with Stripe.
create table bridged.proofs (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  kind text not null,
  month date not null,
  checked_at timestamptz not null,
  whole boolean not null,
  mirror_objects bigint not null,
  stripe_objects bigint not null,
  mirror_sums jsonb not null default '{}',
  stripe_sums jsonb not null default '{}',
  compared bigint not null,
  differing bigint not null,
  missing bigint not null,
  undeleted bigint not null,
  repaired bigint not null,
  reads bigint not null,
  primary key (connection_id, kind, month)
);
comment on column bridged.proofs.whole is 'every object of the month was compared, not a sample';
comment on column bridged.proofs.undeleted is 'objects Stripe had deleted without our hearing of it';

-- Customers inside the filter after the last run: who entered since then is fetched with history.
create table bridged.filter_members (
  workspace_id bigint not null,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  primary key (connection_id, customer_id)
);

create table bridged.api_tokens (
  workspace_id bigint not null references bridged.workspaces,
  id uuid not null default gen_random_uuid() primary key,
  name text not null check (name <> ''),
  hash bytea not null unique,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array
    array['sync_settings', 'run_kinds', 'reads', 'proofs', 'filter_members', 'api_tokens'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;

-- The two questions that must be asked across tenants, and nothing more: which connections are due, whose token is this.
create function bridged.due_connections(at timestamptz)
  returns table (workspace_id bigint, connection_id uuid, next_sync_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select s.workspace_id, s.connection_id, s.next_sync_at from bridged.sync_settings s
  where s.next_sync_at <= at and not s.paused order by s.next_sync_at
$$;

create function bridged.token_of(digest bytea)
  returns table (workspace_id bigint, id uuid, scopes text[])
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select t.workspace_id, t.id, t.scopes from bridged.api_tokens t
  where t.hash = digest and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
$$;

revoke execute on function bridged.due_connections(timestamptz), bridged.token_of(bytea) from public;
grant execute on function bridged.due_connections(timestamptz), bridged.token_of(bytea) to bridged_app;
