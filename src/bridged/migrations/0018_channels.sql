-- Channels: how customers are reached, what is to be sent and what came of it, who agreed to it, what it costs.
-- Whatever a channel must keep secret lies in bridged.credentials, in fields named "channel:<id>:<what>".

create table bridged.channels (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id uuid not null default gen_random_uuid(),
  kind text not null check (kind in ('console', 'whatsapp')),
  name text not null check (name <> ''),
  phone_number_id text,
  waba_id text,
  display_phone text,
  per_second int not null default 60 check (per_second between 1 and 1000),
  slow_until timestamptz,
  claimed_until timestamptz not null default '2000-01-01 00:00Z',
  health jsonb not null default '{}',
  checked_at timestamptz,
  created_at timestamptz not null,
  removed_at timestamptz,
  primary key (connection_id, id),
  unique (id)
);
comment on column bridged.channels.per_second is 'messages a second, over all processes';
comment on column bridged.channels.claimed_until is 'up to when its throughput is spent';
comment on column bridged.channels.slow_until is 'told to slow down (130429): a tenth of its throughput until then';
create unique index on bridged.channels (connection_id, name) where removed_at is null;

-- Why (a part of) a channel stands still: everything, marketing, one template, one country.
create table bridged.channel_pauses (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  channel_id uuid not null,
  part text not null,
  code int,
  reason text not null,
  since timestamptz not null,
  until timestamptz,
  primary key (connection_id, channel_id, part)
);
comment on column bridged.channel_pauses.part is 'all, marketing, template:<name>:<language>, country:<XX>';
comment on column bridged.channel_pauses.until is 'null: until a person resumes it';

create sequence bridged.message_seq;
create table bridged.messages (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id uuid not null default gen_random_uuid(),
  seq bigint not null default nextval('bridged.message_seq'),
  channel_id uuid not null,
  customer_id text not null,
  phone text,
  bsuid text,
  category text not null check (category in ('utility', 'marketing', 'service')),
  template text,
  language text not null,
  parameters jsonb not null,
  body text not null,
  interactive jsonb,
  dedupe_key text not null,
  origin text not null,
  state text not null default 'queued' check (state in ('queued', 'sending', 'accepted', 'sent', 'delivered', 'read',
    'failed', 'unknown', 'expired', 'cancelled')),
  code int,
  reason text,
  attempts int not null default 0,
  attempt_id uuid,
  lease_until timestamptz,
  wamid text,
  due_at timestamptz not null,
  not_after timestamptz not null,
  created_at timestamptz not null,
  accepted_at timestamptz,
  settled_at timestamptz,
  primary key (connection_id, id),
  unique (workspace_id, dedupe_key)
);
comment on column bridged.messages.attempt_id is 'the latest attempt; it travels as biz_opaque_callback_data';
comment on column bridged.messages.lease_until is 'of a message being sent: after that its sender is thought dead and the outcome unknown';
comment on column bridged.messages.settled_at is 'since when nothing more is done about it by itself; a late status still counts';
create index on bridged.messages (connection_id, channel_id, due_at, seq) where state = 'queued';
create index on bridged.messages (connection_id, channel_id, state) where state in ('sending', 'unknown');
create index on bridged.messages (connection_id, customer_id, seq);
create index on bridged.messages (connection_id, wamid) where wamid is not null;

-- One row per HTTP request, committed before it leaves.
create table bridged.attempts (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id uuid not null,
  message_id uuid not null,
  number int not null,
  state text not null default 'sending' check (state in ('sending', 'accepted', 'refused', 'unreached', 'unknown')),
  code int,
  detail text,
  wamid text,
  started_at timestamptz not null,
  ended_at timestamptz,
  primary key (connection_id, id),
  unique (connection_id, message_id, number)
);
create index on bridged.attempts (connection_id, wamid) where wamid is not null;

-- When the next message may go to one recipient, over all processes.
create table bridged.recipient_slots (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  channel_id uuid not null,
  recipient text not null,
  next_at timestamptz not null,
  primary key (connection_id, channel_id, recipient)
);
create index on bridged.recipient_slots (connection_id, channel_id, next_at);

create table bridged.message_statuses (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  channel_id uuid not null,
  wamid text not null,
  status text not null,
  at timestamptz,
  recipient text,
  attempt text,
  code int,
  detail text,
  pricing jsonb,
  received_at timestamptz not null,
  message_id uuid,
  primary key (connection_id, channel_id, wamid, status)
);
comment on column bridged.message_statuses.message_id is 'null: not one of ours, or told of before we knew its wamid';

create table bridged.templates (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  channel_id uuid not null,
  name text not null,
  language text not null,
  state text not null check (state in ('approved', 'paused', 'disabled', 'rejected', 'pending')),
  category text not null default '',
  quality text,
  template_id text,
  components jsonb not null default '[]',
  reason text,
  next_category text,
  changed_at timestamptz not null,
  seen_at timestamptz not null,
  primary key (connection_id, channel_id, name, language)
);
comment on column bridged.templates.next_category is 'Meta said it will count it as this from soon on';

-- How a customer can be reached. Rows end, they are not deleted: a number that was somebody's may become another's.
create table bridged.contacts (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  kind text not null check (kind in ('phone', 'wa_id', 'bsuid', 'username')),
  value text not null,
  canonical text not null,
  source text not null check (source in ('stripe', 'import', 'whatsapp', 'person', 'verified')),
  since timestamptz not null,
  ended_at timestamptz,
  primary key (connection_id, customer_id, kind, canonical)
);
comment on column bridged.contacts.canonical is 'equal for all spellings of one number: Mexico''s and Argentina''s mobile digits, Brazil''s ninth';
create index on bridged.contacts (connection_id, kind, canonical) where ended_at is null;

create table bridged.consents (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  customer_id text not null,
  channel text not null,
  category text not null check (category in ('utility', 'marketing')),
  state text not null check (state in ('granted', 'revoked')),
  source text not null,
  text text,
  proof text,
  at timestamptz not null,
  expires_at timestamptz,
  before_stop boolean not null default false,
  primary key (connection_id, customer_id, channel, category)
);
comment on column bridged.consents.before_stop is 'of a revoked one: it was granted when STOP came, so START gives it back';

create table bridged.consent_history (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id bigint generated always as identity,
  customer_id text not null,
  channel text not null,
  category text not null,
  state text not null,
  source text not null,
  text text,
  proof text,
  at timestamptz not null,
  recorded_at timestamptz not null,
  primary key (connection_id, id)
);
create index on bridged.consent_history (connection_id, customer_id, id);

-- Who said stop, by what the channel knows them: it holds also while we do not know whose number it is.
create table bridged.stops (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  channel text not null,
  identity text not null,
  category text not null check (category in ('all', 'marketing')),
  source text not null,
  at timestamptz not null,
  lifted_at timestamptz,
  primary key (connection_id, channel, identity, category)
);
comment on column bridged.stops.identity is 'phone:<canonical>, or bsuid:<id>';

create table bridged.conversation_windows (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  channel_id uuid not null,
  identity text not null,
  last_inbound_at timestamptz not null,
  primary key (connection_id, channel_id, identity)
);

create table bridged.inbound_messages (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  channel_id uuid not null,
  wamid text not null,
  customer_id text,
  phone text,
  bsuid text,
  username text,
  type text not null,
  text text,
  payload text,
  at timestamptz not null,
  received_at timestamptz not null,
  primary key (connection_id, channel_id, wamid)
);
comment on column bridged.inbound_messages.customer_id is 'null: nobody, or more than one customer, has this number';
create index on bridged.inbound_messages (connection_id, customer_id, at);

create table bridged.ledger (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  channel_id uuid not null,
  wamid text not null,
  message_id uuid,
  customer_id text,
  country text,
  category text not null,
  type text not null,
  billable boolean not null,
  micros bigint,
  currency text not null,
  prices_of date not null,
  at timestamptz not null,
  primary key (connection_id, channel_id, wamid)
);
comment on column bridged.ledger.micros is 'millionths of a unit of the currency; null: the table has no price for it';
create index on bridged.ledger (connection_id, at);

-- What was delivered to a channel's webhook address, byte for byte, before anything is made of it.
create table bridged.channel_bodies (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  id bigint generated always as identity,
  channel_id uuid not null,
  received_at timestamptz not null,
  body bytea not null,
  state text not null default 'pending' check (state in ('pending', 'done', 'failed')),
  attempts int not null default 0,
  due_at timestamptz not null default '-infinity',
  events int,
  unknown int,
  primary key (connection_id, id)
);
create index on bridged.channel_bodies (connection_id, channel_id, id) where state = 'pending';
create index on bridged.channel_bodies (connection_id, channel_id, received_at) where state = 'done';

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['channels', 'channel_pauses', 'messages', 'attempts', 'recipient_slots',
    'message_statuses', 'templates', 'contacts', 'consents', 'consent_history', 'stops', 'conversation_windows',
    'inbound_messages', 'ledger', 'channel_bodies'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;
grant usage on sequence bridged.message_seq to bridged_app;

-- What must be asked across tenants: whose address is this, and which channels have something to do.
create function bridged.channel_target(channel uuid)
  returns table (workspace_id bigint, connection_id uuid, secrets jsonb)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.workspace_id, c.connection_id,
    coalesce((select jsonb_object_agg(split_part(k.field, ':', 3), encode(k.ciphertext, 'base64'))
                from bridged.credentials k where k.connection_id = c.connection_id
                 and k.field in ('channel:' || c.id || ':app_secret', 'channel:' || c.id || ':verify_token')), '{}')
  from bridged.channels c where c.id = channel and c.removed_at is null
$$;

create function bridged.channels_with_work(at timestamptz)
  returns table (workspace_id bigint, connection_id uuid, channel_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.workspace_id, c.connection_id, c.id from bridged.channels c
  where c.removed_at is null and (
    exists (select from bridged.messages m where m.connection_id = c.connection_id and m.channel_id = c.id
              and m.state = 'queued' and m.due_at <= at)
    or exists (select from bridged.messages m where m.connection_id = c.connection_id and m.channel_id = c.id
              and m.state in ('sending', 'unknown') and m.settled_at is null and m.lease_until <= at)
    or exists (select from bridged.channel_bodies b where b.connection_id = c.connection_id and b.channel_id = c.id
              and b.state = 'pending' and b.due_at <= at))
$$;
revoke execute on function bridged.channel_target(uuid), bridged.channels_with_work(timestamptz) from public;
grant execute on function bridged.channel_target(uuid), bridged.channels_with_work(timestamptz) to bridged_app;
