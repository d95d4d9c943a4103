-- People: who may sign in, to which workspaces and as what; their sessions; links that work once; what slows guessing.
-- A person may belong to several workspaces, so users are nobody's row: the application's role may read of them only what
-- its workspace's members may see of each other. Whatever knows no workspace yet (signing in, a link, a session) asks a
-- function, which answers for one address, one digest or one id and never lists.

create table bridged.users (
  id uuid not null default gen_random_uuid() primary key,
  email text not null unique check (email = lower(email)),
  password_hash text,
  totp bytea,
  totp_step bigint not null default 0,
  created_at timestamptz not null default now()
);
comment on column bridged.users.password_hash is 'Argon2id; null until the first link is used';
comment on column bridged.users.totp is 'the secret, encrypted; null: no second factor';
comment on column bridged.users.totp_step is 'of the last code accepted: a code works once';

create table bridged.memberships (
  workspace_id bigint not null references bridged.workspaces,
  user_id uuid not null references bridged.users on delete cascade,
  role text not null check (role in ('viewer', 'operator', 'admin', 'owner')),
  since timestamptz not null default now(),
  primary key (workspace_id, user_id)
);
create index on bridged.memberships (user_id);

create table bridged.sessions (
  workspace_id bigint not null references bridged.workspaces,
  id uuid not null default gen_random_uuid() primary key,
  user_id uuid not null references bridged.users on delete cascade,
  hash bytea not null unique,
  created_at timestamptz not null,
  seen_at timestamptz not null,
  ends_at timestamptz not null,
  revoked_at timestamptz,
  address text,
  user_agent text
);
comment on column bridged.sessions.workspace_id is 'the one it works in; switching ends it and begins another';
comment on column bridged.sessions.ends_at is 'at the latest; without use it ends earlier';
create index on bridged.sessions (user_id);

create table bridged.links (
  workspace_id bigint not null references bridged.workspaces,
  id uuid not null default gen_random_uuid() primary key,
  purpose text not null check (purpose in ('owner', 'invitation', 'reset', 'visit')),
  hash bytea not null unique,
  email text check (email = lower(email)),
  role text check (role in ('viewer', 'operator', 'admin', 'owner')),
  created_at timestamptz not null,
  ends_at timestamptz not null,
  used_at timestamptz
);
comment on column bridged.links.email is 'whose it is; null: whoever opens it says';

-- Of each account and each address only a digest: nobody is listed here.
create table bridged.throttles (
  key bytea primary key,
  failures int not null,
  failed_at timestamptz not null,
  blocked_until timestamptz not null
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['memberships', 'sessions', 'links'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;

alter table bridged.users enable row level security;
create policy members on bridged.users for select using (
  exists (select from bridged.memberships m where m.user_id = users.id and m.workspace_id = bridged.workspace_id()));
grant select (id, email, created_at) on bridged.users to bridged_app;
grant select, insert, update, delete on bridged.throttles to bridged_app;

create function bridged.user_of(address text)
  returns table (id uuid, email text, password_hash text, totp bytea, totp_step bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select u.id, u.email, u.password_hash, u.totp, u.totp_step from bridged.users u where u.email = address
$$;

-- Whoever comes to belong to one more workspace: links made by the one before, to set their password, work no longer.
create function bridged.add_user(address text) returns uuid
  language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update bridged.links set used_at = now() where email = address and purpose = 'reset' and used_at is null;
  insert into bridged.users (email) values (address) on conflict (email) do update set email = excluded.email returning id
$$;

-- A new password ends every session of its user, in every workspace, but the one that is kept.
create function bridged.set_password(whose uuid, hash text, kept uuid, at timestamptz) returns void
  language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update bridged.users set password_hash = hash where id = whose;
  update bridged.sessions set revoked_at = at where user_id = whose and revoked_at is null and id is distinct from kept;
$$;

create function bridged.set_totp(whose uuid, secret bytea, step bigint) returns void
  language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update bridged.users set totp = secret, totp_step = step where id = whose
$$;

-- Whether the code of this step was not used before; two at once with the same code: one of them.
create function bridged.take_totp(whose uuid, step bigint) returns boolean
  language sql security definer set search_path = pg_catalog, pg_temp
as $$
  with taken as (update bridged.users set totp_step = step where id = whose and totp_step < step returning 1)
  select exists (select from taken)
$$;

create function bridged.workspaces_of(whose uuid)
  returns table (workspace_id bigint, name text, role text)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select w.id, w.name, m.role from bridged.memberships m join bridged.workspaces w on w.id = m.workspace_id
  where m.user_id = whose order by w.id
$$;

create function bridged.session_of(digest bytea, at timestamptz, idle interval)
  returns table (workspace_id bigint, id uuid, user_id uuid, email text, role text, seen_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select s.workspace_id, s.id, s.user_id, u.email, m.role, s.seen_at
  from bridged.sessions s join bridged.users u on u.id = s.user_id
  join bridged.memberships m on m.user_id = s.user_id and m.workspace_id = s.workspace_id
  where s.hash = digest and s.revoked_at is null and s.ends_at > at and s.seen_at > at - idle
$$;

create function bridged.link_of(digest bytea, at timestamptz)
  returns table (workspace_id bigint, workspace text, id uuid, purpose text, email text, role text)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select l.workspace_id, w.name, l.id, l.purpose, l.email, l.role
  from bridged.links l join bridged.workspaces w on w.id = l.workspace_id
  where l.hash = digest and l.used_at is null and l.ends_at > at
$$;

create function bridged.add_workspace(called text) returns bigint
  language sql security definer set search_path = pg_catalog, pg_temp
as $$
  insert into bridged.workspaces (name) values (called) returning id
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'user_of(text)', 'add_user(text)', 'set_password(uuid, text, uuid, timestamptz)', 'set_totp(uuid, bytea, bigint)',
    'take_totp(uuid, bigint)', 'workspaces_of(uuid)', 'session_of(bytea, timestamptz, interval)',
    'link_of(bytea, timestamptz)', 'add_workspace(text)'
  ] loop
    execute format('revoke execute on function bridged.%s from public', signature);
    execute format('grant execute on function bridged.%s to bridged_app', signature);
  end loop;
end $$;
