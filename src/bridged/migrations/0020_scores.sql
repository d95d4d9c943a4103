-- Lead scores: the score of each customer with its reasons, what it was before, the weights it is made by, the figures
-- it is judged against, and the announcements of changed bands.

-- Versions are only added: what a score was made by can be looked up as long as the connection is there.
create table bridged.score_weights (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  version int not null check (version > 0),
  document jsonb not null,
  published_at timestamptz not null,
  published_by text not null,
  primary key (connection_id, version)
);
comment on table bridged.score_weights is 'without a row the program''s own weights count, as version 0';

create table bridged.score_drafts (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade primary key,
  document jsonb not null,
  base int not null,
  edited_at timestamptz not null,
  edited_by text not null,
  simulated_at timestamptz
);
comment on column bridged.score_drafts.base is 'the version that was published when it was begun';
comment on column bridged.score_drafts.simulated_at is 'null: not since it was edited; it cannot be published so';

create table bridged.score_distributions (
  workspace_id bigint not null references bridged.workspaces,
  livemode boolean not null,
  taken_at timestamptz not null,
  cuts jsonb not null,
  primary key (workspace_id, livemode)
);
comment on table bridged.score_distributions is 'taken nightly over all connections of a mode; what is scored in between is judged against it';

create table bridged.score_runs (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade primary key,
  next_at timestamptz not null,
  finished_at timestamptz,
  customers int,
  seconds double precision
);
comment on table bridged.score_runs is 'when all customers are scored next, and how it went last';
create index on bridged.score_runs (next_at);

create table bridged.scores (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  total smallint not null check (total between 0 and 100),
  band text not null check (band in ('hot', 'warm', 'nurture', 'risk')),
  judged smallint not null,
  owner text,
  owner_why text not null,
  version int not null,
  gates jsonb not null,
  missing jsonb not null,
  contributions jsonb not null,
  changed_at timestamptz not null,
  primary key (connection_id, customer_id)
);
comment on column bridged.scores.contributions is 'factor, part, points, of, value, why, sources; the points sum to total';
comment on column bridged.scores.version is 'of the weights; 0: the program''s own';
comment on column bridged.scores.changed_at is 'since when this row is as it is; a run that finds the same does not touch it';
create index on bridged.scores (connection_id, (-total), customer_id);

create table bridged.score_history (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  id bigint generated always as identity,
  at timestamptz not null,
  total smallint not null,
  total_before smallint,
  band text not null,
  band_before text,
  version int not null,
  cause text not null check (cause in ('first', 'facts', 'weights')),
  primary key (connection_id, customer_id, id)
);

create table bridged.score_webhooks (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade primary key,
  url text not null,
  fingerprint text not null,
  ciphertext bytea not null,
  created_at timestamptz not null
);

create table bridged.score_announcements (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id uuid not null default gen_random_uuid(),
  number bigint not null generated always as identity,
  customer_id text not null,
  payload jsonb not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
  attempts int not null default 0,
  next_at timestamptz not null,
  created_at timestamptz not null,
  finished_at timestamptz,
  status int,
  problem text,
  primary key (connection_id, id)
);
comment on column bridged.score_announcements.attempts is 'committed before the request leaves';
comment on column bridged.score_announcements.status is 'HTTP status of the last answer';
create index on bridged.score_announcements (next_at, number) where state = 'pending';
create index on bridged.score_announcements (connection_id, number);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['score_weights', 'score_drafts', 'score_distributions', 'score_runs', 'scores',
                                      'score_history', 'score_webhooks', 'score_announcements'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;
revoke update, delete on bridged.score_weights from bridged_app;

-- Asked across tenants, and nothing more: whose customers are to be scored, who has announcements to be sent.
create function bridged.scores_due(at timestamptz)
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.workspace_id, c.id from bridged.connections c left join bridged.score_runs r on r.connection_id = c.id
  where (r.next_at is null or r.next_at <= at)
    and exists (select from bridged.profiles p where p.connection_id = c.id)
  order by r.next_at nulls first
$$;

create function bridged.announcements_due(at timestamptz)
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select a.workspace_id, a.connection_id from bridged.score_announcements a
  where a.state = 'pending' and a.next_at <= at group by 1, 2
$$;
revoke execute on function bridged.scores_due(timestamptz), bridged.announcements_due(timestamptz) from public;
grant execute on function bridged.scores_due(timestamptz), bridged.announcements_due(timestamptz) to bridged_app;

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
  -- People belong to no workspace: their second factors are counted for none.
  select 0, 'users', bridged.key_of_v1(u.totp), count(*)
    from bridged.users u where u.totp is not null group by 3
$$;
