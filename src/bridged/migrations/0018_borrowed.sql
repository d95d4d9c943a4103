-- Stand-ins for the tables of profiles and channels, until their own migrations are merged: this file is then dropped.

create table bridged.profiles (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  data jsonb not null,
  primary key (connection_id, customer_id)
);

create table bridged.moments (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  seq bigint generated always as identity,
  kind text not null,
  key text not null,
  customer_id text not null,
  at bigint not null,
  object_id text not null,
  facts jsonb not null,
  taken boolean not null default false,
  primary key (connection_id, kind, key)
);
create index on bridged.moments (connection_id, seq) where not taken;
create index on bridged.moments (connection_id, at);
create index on bridged.moments (connection_id, customer_id, at);

create table bridged.contacts (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  phone_e164 text,
  bsuid text,
  ambiguous boolean not null,
  utility text not null,
  marketing text not null,
  marketing_stopped boolean not null,
  last_inbound_at timestamptz,
  primary key (connection_id, customer_id)
);

create table bridged.templates (
  workspace_id bigint not null references bridged.workspaces,
  channel_id text not null,
  name text not null,
  language text not null,
  state text not null,
  primary key (workspace_id, channel_id, name, language)
);

create table bridged.messages (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id uuid not null default gen_random_uuid(),
  channel_id text not null,
  customer_id text not null,
  phone_e164 text,
  bsuid text,
  category text not null,
  template text,
  language text not null,
  parameters jsonb not null,
  body text not null,
  dedupe_key text not null,
  origin text not null,
  not_after timestamptz not null,
  created_at timestamptz not null,
  state text not null default 'queued',
  reason text,
  settled_at timestamptz,
  primary key (connection_id, id),
  unique (workspace_id, dedupe_key)
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['profiles', 'moments', 'contacts', 'templates', 'messages'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;
