-- What is measured for whoever watches the installation, and how long what grows is kept.

create index on bridged.runs (started_at) include (state, rate_limited);
create index on bridged.runs (connection_id) where state = 'running';
create index on bridged.reads (day);
create index on bridged.turns (at);
create index on bridged.inbound_messages (at) where text is not null or payload is not null;
create index on bridged.messages (settled_at) where body <> '' and settled_at is not null;
create index on bridged.message_statuses (received_at);
create index on bridged.score_history (at);

-- Each function below answers one subject for all tenants: numbers under the ids of connections, and nothing else. What
-- could be many is counted to a bound, along an index: a measure must never be what slows the measured down.
create function bridged.measured_sync(moment timestamptz)
  returns table (name text, labels text[], value double precision)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with c as materialized (
    select c.id, c.created_at, s.every_seconds, s.kinds, s.paused_kinds,
      case when c.disconnected_at is not null then 'disconnected' when c.trouble is not null then 'trouble'
           when s.paused then 'paused' else 'active' end as state
    from bridged.connections c left join bridged.sync_settings s on s.connection_id = c.id
  )
  select 'connections', array[c.state], count(*) from c group by c.state
  union all
  select 'sync_lag_seconds', array[c.id::text],
    greatest(0, extract(epoch from moment - min(coalesce(k.complete_as_of, c.created_at))))
  from c cross join lateral unnest(c.kinds) w(kind)
  left join bridged.kinds k on k.connection_id = c.id and k.kind = w.kind
  where c.state in ('active', 'trouble') and w.kind <> all (c.paused_kinds) group by c.id
  union all
  select 'sync_interval_seconds', array[c.id::text], c.every_seconds from c
  where c.state in ('active', 'trouble') and c.every_seconds is not null
  union all
  select 'sync_runs', array['running'], count(*) from bridged.runs r where r.state = 'running'
  union all
  select 'sync_runs', array[r.state], count(*) from bridged.runs r
  where r.started_at > moment - interval '1 hour' and r.state <> 'running' group by r.state
  union all
  select 'sync_runs_rate_limited', array[]::text[], coalesce(sum(r.rate_limited), 0) from bridged.runs r
  where r.started_at > moment - interval '1 hour'
  union all
  select 'stripe_requests_today', array[x.counted], coalesce(sum(x.number), 0)
  from bridged.reads r cross join lateral
    (values ('read', r.reads), ('backfill', r.backfill_reads), ('write', r.writes)) x(counted, number)
  where r.day = (moment at time zone 'UTC')::date group by x.counted
$$;

create function bridged.measured_doubts()
  returns table (name text, labels text[], value double precision)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
  dirty text := (select string_agg(format('(select m.connection_id from stripe.%I m where m.dirty limit 100000)', t.tablename), ' union all ')
                   from pg_tables t where t.schemaname = 'stripe');
begin
  return query execute format(
    'select ''dirty_objects'', array[d.connection_id::text], count(*)::double precision from (%s) d group by d.connection_id', dirty);
  return query
    select 'rereads', array[r.connection_id::text], count(*)::double precision
    from (select x.connection_id from bridged.rereads x limit 100000) r group by r.connection_id;
end $$;

create function bridged.measured_inbox(moment timestamptz)
  returns table (name text, labels text[], value double precision)
  language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
  with e as materialized (
    select e.connection_id, e.state, e.received_at from bridged.events e where e.state in ('pending', 'failed') limit 20000
  ), b as materialized (
    select b.connection_id, b.received_at from bridged.channel_bodies b where b.state = 'pending' limit 20000
  )
  select 'inbox_events', array[e.connection_id::text, e.state], count(*) from e group by e.connection_id, e.state
  union all
  select 'inbox_oldest_seconds', array[e.connection_id::text], greatest(0, extract(epoch from moment - min(e.received_at)))
  from e where e.state = 'pending' group by e.connection_id
  union all
  select 'channel_inbox_bodies', array[b.connection_id::text], count(*) from b group by b.connection_id
  union all
  select 'channel_inbox_oldest_seconds', array[b.connection_id::text],
    greatest(0, extract(epoch from moment - min(b.received_at))) from b group by b.connection_id
$$;

create function bridged.measured_messages(moment timestamptz)
  returns table (name text, labels text[], value double precision)
  language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
  with q as materialized (
    select m.connection_id, m.due_at from bridged.messages m where m.state = 'queued' limit 20000
  ), i as materialized (
    select i.connection_id, i.at from bridged.inbound_messages i where i.turn = 'new' limit 20000
  )
  select 'messages_waiting', array[q.connection_id::text, 'queued'], count(*) from q group by q.connection_id
  union all
  select 'messages_waiting', array[m.connection_id::text, m.state], count(*)
  from (select m.connection_id, m.state from bridged.messages m
        where m.state in ('sending', 'unknown') and m.settled_at is null limit 20000) m group by m.connection_id, m.state
  union all
  select 'messages_overdue_seconds', array[q.connection_id::text], greatest(0, extract(epoch from moment - min(q.due_at)))
  from q group by q.connection_id
  union all
  select 'questions_waiting', array[i.connection_id::text], count(*) from i group by i.connection_id
  union all
  select 'questions_oldest_seconds', array[i.connection_id::text], greatest(0, extract(epoch from moment - min(i.at)))
  from i group by i.connection_id
  union all
  select 'channel_pauses', array[p.connection_id::text], count(*) from bridged.channel_pauses p
  where p.until is null or p.until > moment group by p.connection_id
$$;

create function bridged.measured_work(moment timestamptz, dead_after double precision)
  returns table (name text, labels text[], value double precision)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select 'jobs', array[j.queue_name::text, j.status::text], count(*) from jobs.procrastinate_jobs j
  group by j.queue_name, j.status
  union all
  select 'worker_queues', array[]::text[], count(*) from jobs.procrastinate_workers w
  where w.last_heartbeat > now() - make_interval(secs => dead_after)
  union all
  select 'leases', array[case when l.expires_at > moment then 'held' else 'expired' end], count(*)
  from bridged.leases l group by 2
  union all
  select 'backlog', array['profiles'], count(*) from (select from bridged.profiles_due limit 100000) d
  union all
  select 'backlog', array['figures'], count(*) from (select from bridged.figures_due limit 100000) d
  union all
  select 'backlog', array['announcements'], count(*)
  from (select from bridged.score_announcements a where a.state = 'pending' limit 100000) d
  union all
  select 'backlog', array['alerts'], count(*)
  from (select from bridged.alert_deliveries d where d.state = 'pending' limit 100000) d
$$;

-- Whose the pace of an account is: what a process knows by the account, its measures tell by a connection.
create function bridged.measured_accounts()
  returns table (account text, connection_id text)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select coalesce(c.account_id, 'key:' || c.key_fingerprint) || case when c.livemode then ':live' else ':test' end,
    min(c.id::text) from bridged.connections c group by 1
$$;

-- Lets go of some rows of one subject that are older than `before`, so many at most. How many that were.
create function bridged.let_go(subject text, before timestamptz, most int) returns int
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s'
as $$
declare gone int;
begin
  case subject
    when 'turns' then
      delete from bridged.turns t using (select x.ctid from bridged.turns x where x.at < before
        order by x.at limit most for update skip locked) o where t.ctid = o.ctid;
    when 'inbound_messages' then
      update bridged.inbound_messages t set text = null, payload = null
      from (select x.ctid from bridged.inbound_messages x where x.at < before and x.turn <> 'new'
              and (x.text is not null or x.payload is not null)
            order by x.at limit most for update skip locked) o where t.ctid = o.ctid;
    when 'messages' then
      update bridged.messages t set body = '', parameters = '{}', interactive = null
      from (select x.ctid from bridged.messages x where x.settled_at < before and x.body <> ''
            order by x.settled_at limit most for update skip locked) o where t.ctid = o.ctid;
    when 'message_statuses' then
      delete from bridged.message_statuses t using (select x.ctid from bridged.message_statuses x
        where x.received_at < before order by x.received_at limit most for update skip locked) o where t.ctid = o.ctid;
    when 'channel_bodies' then
      delete from bridged.channel_bodies t using (select x.ctid from bridged.channel_bodies x
        where x.state = 'failed' and x.received_at < before limit most for update skip locked) o where t.ctid = o.ctid;
    when 'trials' then
      delete from bridged.trials t using (select x.ctid from bridged.trials x
        where x.made_at < before limit most for update skip locked) o where t.ctid = o.ctid;
    when 'runs' then
      -- What is claimed of a kind rests on a run, and the newest say how the connection stands.
      delete from bridged.runs t using (select x.ctid from bridged.runs x
        where x.started_at < before and x.finished_at is not null
          and not exists (select from bridged.kinds k where k.connection_id = x.connection_id and k.run_id = x.id)
          and x.id < (select min(n.id) from (select y.id from bridged.runs y where y.connection_id = x.connection_id
                        order by y.id desc limit 20) n)
        order by x.started_at limit most for update skip locked) o where t.ctid = o.ctid;
    when 'reads' then
      delete from bridged.reads t using (select x.ctid from bridged.reads x
        where x.day < (before at time zone 'UTC')::date limit most for update skip locked) o where t.ctid = o.ctid;
    when 'score_history' then
      delete from bridged.score_history t using (select x.ctid from bridged.score_history x
        where x.at < before order by x.at limit most for update skip locked) o where t.ctid = o.ctid;
    when 'events' then
      delete from bridged.events_default t using (select x.ctid from bridged.events_default x
        where x.created < before limit most for update skip locked) o where t.ctid = o.ctid;
    when 'deliveries' then
      delete from bridged.deliveries_default t using (select x.ctid from bridged.deliveries_default x
        where x.received_at < before limit most for update skip locked) o where t.ctid = o.ctid;
    when 'changes' then
      delete from bridged.changes_default t using (select x.ctid from bridged.changes_default x
        where x.at < before limit most for update skip locked) o where t.ctid = o.ctid;
  end case;
  get diagnostics gone = row_count;
  return gone;
end $$;

revoke execute on function bridged.measured_sync(timestamptz), bridged.measured_doubts(), bridged.measured_accounts(),
  bridged.measured_inbox(timestamptz), bridged.measured_messages(timestamptz),
  bridged.measured_work(timestamptz, double precision), bridged.let_go(text, timestamptz, int) from public;
grant execute on function bridged.measured_sync(timestamptz), bridged.measured_doubts(), bridged.measured_accounts(),
  bridged.measured_inbox(timestamptz), bridged.measured_messages(timestamptz),
  bridged.measured_work(timestamptz, double precision), bridged.let_go(text, timestamptz, int) to bridged_app;
