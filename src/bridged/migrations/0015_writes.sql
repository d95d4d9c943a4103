-- Writing at Stripe: who allowed it, and each proposal from its preview to what came of it.

create table bridged.write_switches (
  workspace_id bigint not null references bridged.workspaces primary key,
  allowed boolean not null
);
alter table bridged.write_switches enable row level security;
create policy workspace on bridged.write_switches using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.write_switches to bridged_app;

create table bridged.proposals (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id uuid not null default gen_random_uuid(),
  idempotency_key text not null check (length(idempotency_key) between 1 and 255),
  action text not null,
  parameters jsonb not null,
  requests jsonb not null,
  preview jsonb not null,
  watched jsonb not null,
  irreversible boolean not null,
  state text not null default 'proposed'
    check (state in ('proposed', 'approved', 'rejected', 'executing', 'done', 'failed', 'unknown')),
  proposed_by text not null,
  decided_by text,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  decided_at timestamptz,
  sent_at timestamptz,
  finished_at timestamptz,
  attempts int not null default 0,
  holder text,
  result jsonb,
  error jsonb,
  stripe_request_id text,
  primary key (connection_id, id),
  unique (connection_id, idempotency_key)
);
comment on column bridged.proposals.requests is 'what is sent, exactly; each under the key "bridged-<id>-<number>"';
comment on column bridged.proposals.sent_at is 'committed before the first request leaves: from then on it may have happened';
create index on bridged.proposals (connection_id, created_at desc, id);

alter table bridged.proposals enable row level security;
create policy workspace on bridged.proposals using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.proposals to bridged_app;
