-- Playbooks: which message goes to which customer at which moment, each decision with its reason.

create table bridged.playbooks (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id text not null check (id ~ '^[a-z][a-z0-9_]{0,63}$'),
  enabled boolean not null default false,
  enabled_at timestamptz,
  version int not null,
  spent_month date,
  spent_micros bigint not null default 0,
  primary key (connection_id, id)
);
comment on column bridged.playbooks.enabled_at is 'moments before it enrol nobody';
comment on column bridged.playbooks.spent_micros is 'millionths of a US dollar, by the price table, in spent_month';

create table bridged.playbook_versions (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null,
  playbook_id text not null,
  version int not null,
  document jsonb not null,
  created_at timestamptz not null,
  created_by text not null,
  primary key (connection_id, playbook_id, version),
  foreign key (connection_id, playbook_id) references bridged.playbooks (connection_id, id) on delete cascade
);

-- A version is what it was when runs began with it.
create function bridged.keep_version() returns trigger language plpgsql as $$
begin
  if new.document is distinct from old.document or new.version <> old.version then
    raise exception 'a version of a playbook is never changed' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
create trigger keep_version before update on bridged.playbook_versions
  for each row execute function bridged.keep_version();

create table bridged.playbook_runs (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null,
  id uuid not null default gen_random_uuid(),
  playbook_id text not null,
  version int not null,
  customer_id text not null,
  object_key text not null,
  group_key text not null,
  fact text not null,
  moment jsonb not null,
  solo boolean not null,
  state text not null
    check (state in ('enrolled', 'waiting', 'deferred', 'suppressed', 'exited', 'completed', 'holdout')),
  reason text,
  step int not null default 0,
  sent int not null default 0,
  returned int not null default 0,
  logged int not null default 0,
  next_at timestamptz not null,
  previous_at timestamptz not null,
  holder uuid,
  leased_until timestamptz,
  enrolled_at timestamptz not null,
  finished_at timestamptz,
  goal_at timestamptz,
  primary key (connection_id, id),
  unique (connection_id, playbook_id, customer_id, object_key),
  foreign key (connection_id, playbook_id, version)
    references bridged.playbook_versions (connection_id, playbook_id, version) on delete cascade
);
comment on column bridged.playbook_runs.object_key is 'the business fact the run is about: with it each enrols once';
comment on column bridged.playbook_runs.fact is 'the one message of this fact is shared with all playbooks: fact_slots';
comment on column bridged.playbook_runs.returned is 'messages handed back undelivered: each may be handed over anew';
create index on bridged.playbook_runs (connection_id, next_at) where finished_at is null;
create index on bridged.playbook_runs (connection_id, customer_id, enrolled_at);
create unique index playbook_runs_solo on bridged.playbook_runs (connection_id, playbook_id, customer_id, group_key)
  where solo and finished_at is null;

create table bridged.playbook_steps (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null,
  run_id uuid not null,
  number int not null,
  step int not null,
  at timestamptz not null,
  outcome text not null,
  reason text,
  until timestamptz,
  message_id text,
  detail jsonb not null default '{}',
  primary key (connection_id, run_id, number),
  foreign key (connection_id, run_id) references bridged.playbook_runs (connection_id, id) on delete cascade
);
comment on table bridged.playbook_steps is 'what was decided of each run, in order; every message that was not sent has its reason here';

create table bridged.fact_slots (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  fact text not null,
  run_id uuid not null,
  priority int not null,
  used boolean not null default false,
  primary key (connection_id, customer_id, fact)
);

create table bridged.caps (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  counter text not null,
  sent bigint[] not null default '{}',
  primary key (connection_id, customer_id, counter)
);
comment on column bridged.caps.sent is 'Unix seconds of what was handed over, of the last 400 days';

-- What was handed back undelivered is looked for by the runs it came from.
create index on bridged.messages (connection_id, settled_at) where state = 'expired';

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in
    array array['playbooks', 'playbook_versions', 'playbook_runs', 'playbook_steps', 'fact_slots', 'caps'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;

-- Asked across tenants, and nothing more: where a playbook is on, or a run is not finished.
create function bridged.connections_with_playbooks()
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select p.workspace_id, p.connection_id from bridged.playbooks p where p.enabled
  union
  select r.workspace_id, r.connection_id from bridged.playbook_runs r where r.finished_at is null
$$;
revoke execute on function bridged.connections_with_playbooks() from public;
grant execute on function bridged.connections_with_playbooks() to bridged_app;
