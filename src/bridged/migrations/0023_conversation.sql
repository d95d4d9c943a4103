-- Conversations: threads with customers, what was said in them, what a person has to do, and who proved who they are.

alter table bridged.inbound_messages
  add column turn text not null default 'past' check (turn in ('past', 'new', 'done')),
  add column turn_until timestamptz,
  add column tries int not null default 0;
alter table bridged.inbound_messages alter column turn set default 'new';
comment on column bridged.inbound_messages.turn is 'whether it has had its answer; past: it came before there were answers';
comment on column bridged.inbound_messages.turn_until is 'while somebody works on the answer: after that they are thought dead';
create index on bridged.inbound_messages (connection_id, channel_id, at) where turn = 'new';

create table bridged.threads (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id uuid not null default gen_random_uuid(),
  channel_id uuid not null,
  identity text not null,
  customer_id text,
  bound_at timestamptz,
  verified_until timestamptz,
  language text,
  state text not null default 'open' check (state in ('open', 'taken')),
  taken_by text,
  taken_at timestamptz,
  failures int not null default 0,
  previous jsonb not null default '{}',
  pending text,
  turns int not null default 0,
  heard_at timestamptz,
  said_at timestamptz not null,
  created_at timestamptz not null,
  primary key (connection_id, id),
  unique (connection_id, channel_id, identity)
);
comment on column bridged.threads.identity is '"phone:+34…" or "bsuid:…": who writes, as the channel knows them';
comment on column bridged.threads.customer_id is 'whom it was last about; proved by a code only where bound_at says when';
comment on column bridged.threads.previous is 'what was answered last: intent, slots, objects';
comment on column bridged.threads.pending is 'the question that waits for who asks to prove it';
create index on bridged.threads (connection_id, said_at desc, id);
create index on bridged.threads (connection_id, customer_id);

create table bridged.turns (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  thread_id uuid not null,
  number int not null,
  at timestamptz not null,
  customer_id text,
  author text not null,
  text text not null,
  wamid text,
  message_id uuid,
  intent text,
  confidence real,
  slots jsonb,
  engine text,
  level int,
  facts jsonb,
  as_of timestamptz,
  latency_ms int,
  micros bigint not null default 0,
  outcome text,
  thumb int check (thumb in (-1, 1)),
  done_at timestamptz,
  done_by text,
  primary key (connection_id, thread_id, number),
  foreign key (connection_id, thread_id) references bridged.threads on delete cascade
);
comment on column bridged.turns.author is 'customer, engine, or person:<name>';
comment on column bridged.turns.outcome is 'of a question: answered, identity, choices, handoff, unanswered, silent, dropped';
create unique index on bridged.turns (connection_id, wamid) where wamid is not null;
create index on bridged.turns (connection_id, message_id) where message_id is not null;
create index on bridged.turns (connection_id, customer_id);
create index on bridged.turns (connection_id, at) where outcome in ('choices', 'unanswered') and done_at is null;

create table bridged.tickets (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id uuid not null default gen_random_uuid(),
  thread_id uuid not null,
  customer_id text,
  kind text not null,
  summary text not null,
  created_at timestamptz not null,
  done_at timestamptz,
  done_by text,
  primary key (connection_id, id),
  foreign key (connection_id, thread_id) references bridged.threads on delete cascade
);
create index on bridged.tickets (connection_id, created_at) where done_at is null;
create index on bridged.tickets (connection_id, customer_id);

-- One at a time per thread. What was tried counts against the thread, whichever code was sent.
create table bridged.verifications (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  thread_id uuid not null,
  customer_id text,
  email_hash text,
  code_hash text,
  sent_at timestamptz,
  tries timestamptz[] not null default '{}',
  locked_until timestamptz,
  primary key (connection_id, thread_id),
  foreign key (connection_id, thread_id) references bridged.threads on delete cascade
);
comment on column bridged.verifications.customer_id is 'null: the address was nobody''s, so no code was sent and none is right';

-- Codes that went to a customer and wrong ones that were tried for them, from whatever number: both are bounded by the day.
create table bridged.code_uses (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  kind text not null check (kind in ('sent', 'wrong')),
  at timestamptz not null
);
create index on bridged.code_uses (connection_id, customer_id, at);

do $$
declare tenant_table text;
begin
  foreach tenant_table in array array['threads', 'turns', 'tickets', 'verifications', 'code_uses'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;

-- Channels on which somebody waits for an answer.
create function bridged.channels_with_questions(moment timestamptz)
  returns table (workspace_id bigint, connection_id uuid, channel_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.workspace_id, c.connection_id, c.id from bridged.channels c
  where c.removed_at is null and exists (
    select from bridged.inbound_messages i where i.connection_id = c.connection_id and i.channel_id = c.id
       and i.turn = 'new' and (i.turn_until is null or i.turn_until <= moment))
$$;
revoke execute on function bridged.channels_with_questions(timestamptz) from public;
grant execute on function bridged.channels_with_questions(timestamptz) to bridged_app;
