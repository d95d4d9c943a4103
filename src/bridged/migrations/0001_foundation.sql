-- Roles, tenants, connections and credentials. Every tenant's row carries workspace_id and is under row-level security:
-- the application's role owns nothing and sees only the rows of the workspace its transaction has named.

do $$
begin
  if not exists (select from pg_roles where rolname = 'bridged_app') then
    create role bridged_app nologin nosuperuser nocreatedb nocreaterole nobypassrls;
  end if;
exception when duplicate_object or unique_violation then
  null; -- another database of this cluster was migrated in the same moment
end $$;

do $$
begin
  if not pg_has_role(current_user, 'bridged_app', 'member') then
    execute format('grant bridged_app to %I', current_user);
  end if;
end $$;

create schema stripe;
grant usage on schema bridged, stripe to bridged_app;

create function bridged.workspace_id() returns bigint
  language sql stable parallel safe
  return nullif(current_setting('bridged.workspace_id', true), '')::bigint;

create table bridged.workspaces (
  id bigint generated always as identity primary key,
  name text not null check (name <> ''),
  created_at timestamptz not null default now()
);
insert into bridged.workspaces (name) values ('default');

-- The keyset that encrypts credentials, itself encrypted by the master key, which is never in the database.
create table bridged.keysets (
  id int primary key check (id = 1),
  wrapped text not null,
  created_at timestamptz not null default now()
);

create table bridged.connections (
  workspace_id bigint not null references bridged.workspaces,
  id uuid not null default gen_random_uuid() primary key,
  name text not null check (name <> ''),
  livemode boolean not null,
  key_kind text not null,
  key_fingerprint text not null,
  account_id text,
  account_name text,
  country text,
  default_currency text,
  timezone text,
  -- Stripe's clock minus ours, in seconds, as last seen: "now" in an answer is Stripe's.
  clock_offset double precision not null default 0,
  created_at timestamptz not null default now(),
  unique (workspace_id, name)
);
create unique index connections_account on bridged.connections (workspace_id, account_id, livemode)
  where account_id is not null;

create table bridged.credentials (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  field text not null,
  ciphertext bytea not null,
  updated_at timestamptz not null default now(),
  primary key (connection_id, field)
);

-- What a key was seen to be allowed: one row per kind, renewed by each probe and each refusal.
create table bridged.permissions (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  kind text not null,
  allowed boolean not null,
  needed text[] not null default '{}',
  message text,
  seen_at timestamptz not null,
  primary key (connection_id, kind)
);

-- One process at a time reads an account. Not a tenant's row: the account is the unit, whoever connected it.
-- A holder is gone when its time is up, or, sooner, when the backend that renewed it is no longer there.
create table bridged.leases (
  account text primary key,
  holder uuid not null,
  backend_pid int not null,
  backend_start timestamptz not null,
  expires_at timestamptz not null
);

create table bridged.runs (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id bigint generated always as identity,
  state text not null check (state in ('running', 'interrupted', 'complete', 'incomplete', 'failed')),
  holder uuid not null,
  kinds text[] not null,
  upper bigint not null,
  began timestamptz not null,
  requests bigint not null default 0,
  rate_limited bigint not null default 0,
  error text,
  started_at timestamptz not null,
  finished_at timestamptz,
  primary key (connection_id, id)
);

-- The `created` windows of a run's lists; a page's rows and its window's cursor commit together.
create table bridged.windows (
  workspace_id bigint not null,
  connection_id uuid not null,
  run_id bigint not null,
  list text not null,
  id int not null,
  lo bigint not null,
  hi bigint not null,
  at bigint not null,
  after text,
  pages int not null default 0,
  rows bigint not null default 0,
  ended boolean not null default false,
  primary key (connection_id, run_id, id),
  foreign key (connection_id, run_id) references bridged.runs (connection_id, id) on delete cascade
);

-- What is claimed of each kind: complete as of a moment by Stripe's clock, or why not.
create table bridged.kinds (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  kind text not null,
  run_id bigint not null,
  complete boolean not null,
  complete_as_of timestamptz,
  stored bigint not null default 0,
  changed bigint not null default 0,
  deleted bigint not null default 0,
  requests bigint not null default 0,
  error_code text,
  error text,
  needed text[] not null default '{}',
  finished_at timestamptz not null,
  primary key (connection_id, kind)
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['connections', 'credentials', 'permissions', 'runs', 'windows', 'kinds'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;

grant select on bridged.workspaces, bridged.migrations to bridged_app;
grant select, insert on bridged.keysets to bridged_app;
grant select, insert, update, delete on bridged.leases to bridged_app;
