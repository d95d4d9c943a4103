-- Figures of the overview: sums by day, kept by the worker. What changes notes the day it is of, in its own transaction;
-- the worker takes the notes and computes these days anew, so that a page never reads what it sums.

-- How the monthly revenue of a customer moved, in one currency: computed with the profile, from the subscriptions.
create table bridged.revenue_moves (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null,
  customer_id text not null,
  currency text not null,
  at timestamptz not null,
  before bigint not null,
  after bigint not null,
  primary key (connection_id, customer_id, currency, at)
);
comment on column bridged.revenue_moves.before is 'minor units a month of all the customer''s subscriptions in this currency';
create index on bridged.revenue_moves (connection_id, at);

create table bridged.figure_builds (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.connections on delete cascade,
  zone text,
  begun_at timestamptz,
  kept_at timestamptz,
  primary key (connection_id)
);
comment on column bridged.figure_builds.zone is 'whose days the sums are of; another one makes all days be computed anew';
comment on column bridged.figure_builds.kept_at is 'when nothing was left to compute';

-- Appended to and nothing else, so that whoever changes something waits for nobody; a day may stand here several times.
create table bridged.figures_due (
  workspace_id bigint not null,
  connection_id uuid not null,
  id bigint generated always as identity,
  figure text not null,
  day date not null
);
comment on column bridged.figures_due.day is 'of UTC';
create index on bridged.figures_due (connection_id, id);

create table bridged.figure_days (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null,
  figure text collate "C" not null,
  day date not null,
  currency text collate "C" not null,
  key text collate "C" not null,
  number bigint not null,
  amount bigint not null,
  primary key (connection_id, figure, day, currency, key)
);
comment on column bridged.figure_days.day is 'in the zone of figure_builds';
comment on column bridged.figure_days.currency is 'empty where there is no amount';

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['revenue_moves', 'figure_builds', 'figures_due', 'figure_days'] loop
    execute format('alter table bridged.%I enable row level security', tenant_table);
    execute format(
      'create policy workspace on bridged.%I using (workspace_id = bridged.workspace_id())
         with check (workspace_id = bridged.workspace_id())', tenant_table);
    execute format('grant select, insert, update, delete on bridged.%I to bridged_app', tenant_table);
  end loop;
end $$;

create index on bridged.messages (connection_id, created_at);
create index on bridged.playbook_steps (connection_id, at) where outcome in ('suppressed', 'holdout');
create index on bridged.moments (connection_id, at) where kind = 'paid';

-- Notes the days of what a statement changed in a table: those of which the rows that count are not the same any more.
-- Of the row `r`: `instant` is when it counts, `counted` what is summed, `which` whether it counts at all. What goes with
-- its connection is not noted.
create function bridged.follow_figures_v1(target regclass, name text, instant text, counted text, which text)
  returns void
  language plpgsql as $body$
declare
  own text := 'figures_of_' || name;
  rows_of text := format('select r.workspace_id, r.connection_id, (%s at time zone ''UTC'')::date as day, %s from %%s r where %s',
                         instant, counted, which);
  noting text := $f$
        insert into bridged.figures_due (workspace_id, connection_id, figure, day)
        select distinct x.workspace_id, x.connection_id, %L, x.day from (%s) x
        where x.day is not null and exists (select from bridged.connections c where c.id = x.connection_id)
  $f$;
begin
  execute format($ddl$
    create function bridged.%1$I() returns trigger language plpgsql as $f$
    begin
      if tg_op = 'INSERT' then %2$s;
      elsif tg_op = 'DELETE' then %3$s;
      else %4$s;
      end if;
      return null;
    end $f$
    $ddl$, own,
    format(noting, name, format(rows_of, 'fresh')),
    format(noting, name, format(rows_of, 'stale')),
    format(noting, name, format('(%1$s except all %2$s) union all (%2$s except all %1$s)',
                                format(rows_of, 'stale'), format(rows_of, 'fresh'))));
  execute format('create trigger figures_added after insert on %s referencing new table as fresh
                    for each statement execute function bridged.%I()', target, own);
  execute format('create trigger figures_changed after update on %s referencing old table as stale new table as fresh
                    for each statement execute function bridged.%I()', target, own);
  execute format('create trigger figures_dropped after delete on %s referencing old table as stale
                    for each statement execute function bridged.%I()', target, own);
end $body$;

-- What is only authorised is no payment yet; what was captured has a balance transaction.
select bridged.follow_figures_v1('stripe.charges', 'payments', 'r.created', 'r.status, r.amount, r.currency',
  'not r.deleted and r.status in (''succeeded'', ''failed'') and (r.balance_transaction_id is not null
     or r.status = ''failed'' or r.data -> ''captured'' is distinct from ''false''::jsonb)');
select bridged.follow_figures_v1('bridged.revenue_moves', 'revenue', 'r.at', 'r.before, r.after, r.currency', 'true');
select bridged.follow_figures_v1('bridged.messages', 'messages', 'r.created_at', 'r.state, r.reason', 'true');
select bridged.follow_figures_v1('bridged.playbook_steps', 'withheld', 'r.at', 'r.reason, r.outcome',
  'r.outcome in (''suppressed'', ''holdout'')');
select bridged.follow_figures_v1('bridged.moments', 'recovered', 'r.at', 'r.key', 'r.kind = ''paid''');

-- Profiles are computed once more, and with them the moves of those that are there already.
update bridged.profile_builds set after = null, built_at = null;

create function bridged.connections_with_figures_due()
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.workspace_id, c.id from bridged.connections c
  left join bridged.figure_builds b on b.connection_id = c.id
  where b.begun_at is null or b.kept_at is null or b.zone is distinct from c.timezone
     or exists (select from bridged.figures_due d where d.connection_id = c.id)
$$;
revoke execute on function bridged.connections_with_figures_due() from public;
grant execute on function bridged.connections_with_figures_due() to bridged_app;

-- Whether a message reached WhatsApp may be heard after the payment it led to: then the day of the payment is due again.
create function bridged.figures_of_reached() returns trigger language plpgsql as $$
begin
  insert into bridged.figures_due (workspace_id, connection_id, figure, day)
  select distinct f.workspace_id, f.connection_id, 'recovered', (m.at at time zone 'UTC')::date
  from stale s
  join fresh f on f.connection_id = s.connection_id and f.id = s.id
    and (f.state = 'failed', f.accepted_at) is distinct from (s.state = 'failed', s.accepted_at)
  join bridged.moments m on m.connection_id = f.connection_id and m.customer_id = f.customer_id and m.kind = 'paid'
    and m.at > least(f.accepted_at, s.accepted_at);
  return null;
end $$;
create trigger figures_reached after update on bridged.messages referencing old table as stale new table as fresh
  for each statement execute function bridged.figures_of_reached();
