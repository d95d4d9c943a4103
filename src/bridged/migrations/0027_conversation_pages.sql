-- What the pages of conversations read: all threads of a workspace by time and by number, what is open in them, and
-- questions that people of the workspace tried the engine out with.

create index on bridged.threads (workspace_id, said_at desc, id desc);
create index on bridged.threads (workspace_id, identity);
create index on bridged.threads (workspace_id) where state = 'taken';
create index on bridged.tickets (workspace_id) where done_at is null;
create index on bridged.tickets (connection_id, thread_id);
create index on bridged.turns (connection_id, thread_id) where outcome in ('choices', 'unanswered') and done_at is null;
create index on bridged.turns (workspace_id, at) where outcome in ('choices', 'unanswered') and done_at is null;

create table bridged.trials (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id uuid not null default gen_random_uuid(),
  customer_id text not null,
  made_by text not null,
  level int not null check (level in (1, 2)),
  language text,
  previous jsonb not null default '{}',
  failures int not null default 0,
  asked jsonb not null default '[]',
  made_at timestamptz not null,
  primary key (connection_id, id)
);
comment on table bridged.trials is 'conversations that were tried out: nothing of them was sent; they go after a week';
comment on column bridged.trials.previous is 'what was answered last: intent, slots, objects';
comment on column bridged.trials.asked is 'questions, what was answered and by what, the oldest first';
create index on bridged.trials (connection_id, customer_id);
create index on bridged.trials (connection_id, made_at);
create index on bridged.trials (workspace_id, id);

alter table bridged.trials enable row level security;
create policy workspace on bridged.trials using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.trials to bridged_app;
