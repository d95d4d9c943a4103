-- Playbooks at the dashboard: what is being changed and not published yet, lists of runs, and counts of an audience.

create table bridged.playbook_drafts (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  playbook_id text not null check (playbook_id ~ '^[a-z][a-z0-9_]{0,63}$'),
  document jsonb not null,
  revision int not null default 1,
  based_on int not null,
  changed_at timestamptz not null,
  changed_by text not null,
  primary key (connection_id, playbook_id)
);
comment on column bridged.playbook_drafts.revision is 'who saves says which revision they saw: of two, the second is refused';
comment on column bridged.playbook_drafts.based_on is 'the published version it was begun from; 0: that of the catalogue, or none';
alter table bridged.playbook_drafts enable row level security;
create policy workspace on bridged.playbook_drafts using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.playbook_drafts to bridged_app;

-- Runs are listed newest first. What most runs come to is found on the way; what few come to has an index of its own.
create index on bridged.playbook_runs (connection_id, playbook_id, enrolled_at desc, id desc) include (workspace_id, state, sent);
create index on bridged.playbook_runs (connection_id, playbook_id, enrolled_at desc, id desc) where finished_at is null;
create index on bridged.playbook_runs (connection_id, playbook_id, state, enrolled_at desc, id desc)
  where state in ('suppressed', 'exited', 'holdout');
-- A suppressed run's reason is a word of a list; those of others may be conditions, too long for an index.
create index on bridged.playbook_runs (connection_id, playbook_id, reason, enrolled_at desc, id desc)
  where state = 'suppressed';

-- Customers are counted and a sample of them is chosen from the index alone: the policy asks for the workspace too.
create index on bridged.profiles (connection_id, customer_id) include (workspace_id);
