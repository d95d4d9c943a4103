-- What is understood of each customer, from the mirror alone; how it changed; and what happened, once per business fact.

-- Whose profiles are kept. Without a row here a change of the mirror costs no more than to see that there is none.
create table bridged.profile_builds (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  moments_since timestamptz not null,
  began_at timestamptz not null,
  after text,
  built_at timestamptz,
  primary key (connection_id)
);
comment on column bridged.profile_builds.moments_since is 'what happened before makes no moment; by Stripe''s clock';
comment on column bridged.profile_builds.after is 'how far building has come, by customer; null: from the beginning';

-- Customers of whom something changed. Appended to and nothing else, so that whoever changes the mirror waits for nobody;
-- a customer may stand here several times.
create table bridged.profiles_due (
  workspace_id bigint not null,
  connection_id uuid not null,
  id bigint generated always as identity,
  customer_id text not null
);
create index on bridged.profiles_due (connection_id, id);

create table bridged.profiles (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null,
  customer_id text not null,
  name_norm text collate "C",
  email_norm text collate "C",
  phone_digits text collate "C",
  status text not null,
  product_id text,
  card_exp text,
  livemode boolean not null,
  deleted boolean not null,
  facts jsonb not null,
  standing jsonb not null,
  primary key (connection_id, customer_id)
) with (fillfactor = 80);
comment on column bridged.profiles.facts is 'the whole profile, without what is null; nothing in it depends on when it was computed';
comment on column bridged.profiles.standing is 'how the running subscriptions and open invoices stood: what the next change is compared with';
create index on bridged.profiles (connection_id, name_norm);
create index on bridged.profiles (connection_id, email_norm);
create index on bridged.profiles (connection_id, phone_digits);
create index on bridged.profiles (connection_id, status, customer_id);
create index on bridged.profiles (connection_id, card_exp) where card_exp is not null;

create table bridged.profile_history (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null,
  seq bigint generated always as identity,
  customer_id text not null,
  before text,
  status text not null,
  at timestamptz,
  noted_at timestamptz not null,
  primary key (connection_id, customer_id, seq)
);
comment on column bridged.profile_history.at is 'since when, as the objects tell; null where they do not';

create table bridged.moments (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null,
  seq bigint generated always as identity,
  kind text not null,
  key text not null,
  customer_id text not null,
  at timestamptz not null,
  object_id text not null,
  facts jsonb not null,
  state text not null default 'new' check (state in ('new', 'taken')),
  noted_at timestamptz not null,
  primary key (connection_id, kind, key)
);
create unique index on bridged.moments (connection_id, seq);
create index on bridged.moments (connection_id, seq) where state = 'new';
create index on bridged.moments (connection_id, customer_id, seq);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['profile_builds', 'profiles_due', 'profiles', 'profile_history', 'moments'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;

-- Warnings are found by the charge, and what is created by whom.
create index on stripe.early_fraud_warnings (connection_id, charge_id);

create function bridged.connections_with_profiles_due()
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select b.workspace_id, b.connection_id from bridged.profile_builds b
  where b.built_at is null or exists (select from bridged.profiles_due d where d.connection_id = b.connection_id)
$$;
revoke execute on function bridged.connections_with_profiles_due() from public;
grant execute on function bridged.connections_with_profiles_due() to bridged_app;

-- Whether changes of a connection are to be noted. The lock is shared by all who change its mirror; whoever begins to
-- keep its profiles takes it alone, so that every change is either noted or was committed before the first is computed.
create function bridged.profiled_v1(connection uuid) returns boolean
  language plpgsql volatile as $$
begin
  if connection is null then
    return false;
  end if;
  perform pg_advisory_xact_lock_shared(hashtextextended(connection::text, 17));
  return exists (select from bridged.profile_builds b where b.connection_id = connection);
end $$;

-- Notes the customers of what a statement changed in a kind's table. `owner` is the customer of the row `r`.
-- A writer marks each change by `changed_at`; only where it is the same and recent may data differ without: several
-- states of one unit of work.
create function bridged.follow_profiles_v1(kind text, owner text) returns void
  language plpgsql as $body$
begin
  execute format($ddl$
    create function bridged.profiles_of_%1$s() returns trigger language plpgsql as $f$
    begin
      if tg_op = 'INSERT' then
        if bridged.profiled_v1((select r.connection_id from fresh r limit 1)) then
          insert into bridged.profiles_due (workspace_id, connection_id, customer_id)
          select distinct r.workspace_id, r.connection_id, o.customer
          from fresh r cross join lateral (select %2$s as customer offset 0) o where o.customer is not null;
        end if;
      elsif tg_op = 'DELETE' then
        if bridged.profiled_v1((select r.connection_id from stale r limit 1)) then
          insert into bridged.profiles_due (workspace_id, connection_id, customer_id)
          select distinct r.workspace_id, r.connection_id, o.customer
          from stale r cross join lateral (select %2$s as customer offset 0) o where o.customer is not null;
        end if;
      elsif bridged.profiled_v1((select r.connection_id from fresh r limit 1)) then
        with changed as materialized (
          select s.id from stale s join fresh f on f.id = s.id and f.connection_id = s.connection_id
          where f.changed_at < 'infinity' and (
            f.changed_at <> s.changed_at or f.deleted <> s.deleted
            or (f.changed_at > now() - interval '1 hour' and f.data <> s.data))
        )
        insert into bridged.profiles_due (workspace_id, connection_id, customer_id)
        select distinct r.workspace_id, r.connection_id, o.customer
        from (select * from stale union all select * from fresh) r
        cross join lateral (select %2$s as customer offset 0) o
        where r.id in (select id from changed) and o.customer is not null;
      end if;
      return null;
    end $f$
    $ddl$, kind, owner);
  execute format('create trigger profiles_added after insert on stripe.%1$I referencing new table as fresh
                    for each statement execute function bridged.profiles_of_%1$s()', kind);
  execute format('create trigger profiles_changed after update on stripe.%1$I
                    referencing old table as stale new table as fresh
                    for each statement execute function bridged.profiles_of_%1$s()', kind);
  execute format('create trigger profiles_dropped after delete on stripe.%1$I referencing old table as stale
                    for each statement execute function bridged.profiles_of_%1$s()', kind);
end $body$;

select bridged.follow_profiles_v1('customers', 'r.id');
select bridged.follow_profiles_v1(kind, 'r.customer_id')
from unnest(array['subscriptions', 'invoices', 'charges', 'payment_intents', 'payment_methods', 'checkout_sessions']) kind;
select bridged.follow_profiles_v1(kind,
  '(select c.customer_id from stripe.charges c where c.connection_id = r.connection_id and c.id = r.charge_id)')
from unnest(array['refunds', 'disputes', 'early_fraud_warnings']) kind;
select bridged.follow_profiles_v1('invoice_previews',
  '(select s.customer_id from stripe.subscriptions s where s.connection_id = r.connection_id and s.id = r.id)');
