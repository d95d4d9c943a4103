-- Alerts: what an operator should know of, from when to when; where that is told; each telling with its tries.

create table bridged.alerts (
  workspace_id bigint not null references bridged.workspaces on delete cascade,
  id uuid not null default gen_random_uuid(),
  number bigint not null generated always as identity,
  kind text not null,
  subject text not null,
  cause text not null,
  severity text not null check (severity in ('error', 'warn')),
  of_connection uuid,
  name text not null,
  detail text not null,
  place text not null,
  opened_at timestamptz not null,
  recovered_at timestamptz,
  primary key (workspace_id, id)
);
comment on column bridged.alerts.subject is 'id of the connection or channel it is about; empty: the installation';
comment on column bridged.alerts.cause is 'the reason; what fails for one reason is told in one message';
comment on column bridged.alerts.of_connection is 'no reference: an alert outlives its connection, to be told as over';
comment on column bridged.alerts.place is 'path of the page where something can be done about it';
create unique index on bridged.alerts (workspace_id, kind, subject) where recovered_at is null;
create index on bridged.alerts (workspace_id, number desc);
create index on bridged.alerts (workspace_id, recovered_at);

create table bridged.alert_destinations (
  workspace_id bigint not null references bridged.workspaces on delete cascade,
  id uuid not null,
  kind text not null check (kind in ('email', 'webhook', 'slack')),
  name text not null check (name <> ''),
  address text not null,
  ciphertext bytea,
  severity text not null check (severity in ('error', 'warn')),
  kinds text[] not null default '{}',
  paused boolean not null default false,
  created_at timestamptz not null,
  removed_at timestamptz,
  primary key (workspace_id, id)
);
comment on column bridged.alert_destinations.address is 'as it may be shown: of a Slack webhook, whose path is its secret, the host only';
comment on column bridged.alert_destinations.ciphertext is 'of a webhook the signing secret, of Slack the whole address';
comment on column bridged.alert_destinations.severity is 'the least that is told there';
comment on column bridged.alert_destinations.kinds is 'empty: all';
create unique index on bridged.alert_destinations (workspace_id, name) where removed_at is null;

create table bridged.alert_deliveries (
  workspace_id bigint not null references bridged.workspaces on delete cascade,
  id uuid not null,
  number bigint not null generated always as identity,
  destination_id uuid not null,
  change text not null check (change in ('opened', 'recovered', 'test')),
  kind text not null,
  cause text not null,
  payload jsonb not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
  attempts int not null default 0,
  next_at timestamptz not null,
  status int,
  problem text,
  created_at timestamptz not null,
  finished_at timestamptz,
  primary key (workspace_id, id),
  foreign key (workspace_id, destination_id) references bridged.alert_destinations (workspace_id, id) on delete cascade
);
comment on column bridged.alert_deliveries.id is 'travels in the message: whoever gets it twice can tell';
create index on bridged.alert_deliveries (next_at, number) where state = 'pending';
create index on bridged.alert_deliveries (workspace_id, number desc);
create index on bridged.alert_deliveries (workspace_id, destination_id, number desc);

-- Committed before a request leaves.
create table bridged.alert_attempts (
  workspace_id bigint not null references bridged.workspaces on delete cascade,
  delivery_id uuid not null,
  number int not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  status int,
  problem text,
  primary key (workspace_id, delivery_id, number),
  foreign key (workspace_id, delivery_id) references bridged.alert_deliveries (workspace_id, id) on delete cascade
);
comment on column bridged.alert_attempts.ended_at is 'null: under way, or its process died';

-- What was told where: each opening and each recovery once to each destination, by the key.
create table bridged.alert_mentions (
  workspace_id bigint not null references bridged.workspaces on delete cascade,
  alert_id uuid not null,
  destination_id uuid not null,
  change text not null check (change in ('opened', 'recovered')),
  delivery_id uuid not null,
  primary key (workspace_id, alert_id, destination_id, change),
  foreign key (workspace_id, alert_id) references bridged.alerts (workspace_id, id) on delete cascade,
  foreign key (workspace_id, destination_id) references bridged.alert_destinations (workspace_id, id) on delete cascade
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['alerts', 'alert_destinations', 'alert_deliveries', 'alert_attempts',
                                      'alert_mentions'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;

-- Asked across tenants, and nothing more: who is to be watched, who has something to be sent.
create function bridged.workspaces_watched()
  returns table (workspace_id bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select w.id from bridged.workspaces w
  where exists (select from bridged.connections c where c.workspace_id = w.id)
     or exists (select from bridged.alerts a where a.workspace_id = w.id and a.recovered_at is null)
     or exists (select from bridged.alert_destinations d where d.workspace_id = w.id and d.removed_at is null)
  order by w.id
$$;

create function bridged.alert_deliveries_due(at timestamptz)
  returns table (workspace_id bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select distinct d.workspace_id from bridged.alert_deliveries d where d.state = 'pending' and d.next_at <= at
$$;
revoke execute on function bridged.workspaces_watched(), bridged.alert_deliveries_due(timestamptz) from public;
grant execute on function bridged.workspaces_watched(), bridged.alert_deliveries_due(timestamptz) to bridged_app;

create or replace function bridged.ciphertexts()
  returns table (workspace_id bigint, place text, key_id bigint, number bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.workspace_id, 'credentials', bridged.key_of_v1(c.ciphertext), count(*)
    from bridged.credentials c group by c.workspace_id, 3
  union all
  select w.workspace_id, 'webhook_secrets', bridged.key_of_v1(w.ciphertext), count(*)
    from bridged.webhook_secrets w group by w.workspace_id, 3
  union all
  select s.workspace_id, 'score_webhooks', bridged.key_of_v1(s.ciphertext), count(*)
    from bridged.score_webhooks s group by s.workspace_id, 3
  union all
  select d.workspace_id, 'alert_destinations', bridged.key_of_v1(d.ciphertext), count(*)
    from bridged.alert_destinations d where d.ciphertext is not null group by d.workspace_id, 3
  union all
  -- People belong to no workspace: their second factors are counted for none.
  select 0, 'users', bridged.key_of_v1(u.totp), count(*)
    from bridged.users u where u.totp is not null group by 3
$$;
