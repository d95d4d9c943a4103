-- The keyset can be rotated: which version of it is the present one, when each of its keys came and went, and under
-- which key what is encrypted.

alter table bridged.keysets add version bigint not null default 1;
comment on column bridged.keysets.version is 'counts the changes of its keys: who holds another one reads it anew';

-- Keys there were before keys were noted appear here with the first rotation.
create table bridged.keyset_keys (
  id bigint primary key,
  created_at timestamptz not null,
  destroyed_at timestamptz
);
comment on table bridged.keyset_keys is 'when each key of the keyset was made and destroyed; the keys are in the keyset';

-- Only the owner changes the keyset: a web process that is taken over must not be able to lock everybody out.
grant select on bridged.keyset_keys to bridged_app;

-- A ciphertext of Tink begins with a byte 1 and the id of its key. What begins otherwise is none of ours.
create function bridged.key_of_v1(ciphertext bytea) returns bigint
  language sql immutable parallel safe
  return case when length(ciphertext) > 5 and get_byte(ciphertext, 0) = 1
    then ('x' || encode(substring(ciphertext from 2 for 4), 'hex'))::bit(32)::bigint end;

-- Across tenants, because one keyset serves all: how many ciphertexts lie where under which key, and nothing of them.
create function bridged.ciphertexts()
  returns table (workspace_id bigint, place text, key_id bigint, number bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.workspace_id, 'credentials', bridged.key_of_v1(c.ciphertext), count(*)
    from bridged.credentials c group by c.workspace_id, 3
  union all
  select w.workspace_id, 'webhook_secrets', bridged.key_of_v1(w.ciphertext), count(*)
    from bridged.webhook_secrets w group by w.workspace_id, 3
  union all
  -- People belong to no workspace: their second factors are counted for none.
  select 0, 'users', bridged.key_of_v1(u.totp), count(*)
    from bridged.users u where u.totp is not null group by 3
$$;

create function bridged.totps(not_under bigint, after uuid, most int)
  returns table (id uuid, totp bytea)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select u.id, u.totp from bridged.users u
  where u.totp is not null and bridged.key_of_v1(u.totp) is distinct from not_under and u.id > after
  order by u.id limit most
$$;

create function bridged.replace_totp(whose uuid, old bytea, new bytea) returns boolean
  language sql security definer set search_path = pg_catalog, pg_temp
as $$
  with replaced as (update bridged.users set totp = new where id = whose and totp = old returning 1)
  select exists (select from replaced)
$$;
revoke execute on function bridged.totps(bigint, uuid, int), bridged.replace_totp(uuid, bytea, bytea) from public;
grant execute on function bridged.totps(bigint, uuid, int), bridged.replace_totp(uuid, bytea, bytea) to bridged_app;
revoke execute on function bridged.ciphertexts() from public;
grant execute on function bridged.ciphertexts() to bridged_app;
