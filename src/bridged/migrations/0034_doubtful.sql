-- Which workspaces are worth a look for alerts: looking at one costs a dozen statements, and most have nothing to tell.

-- More than those with something wrong, never fewer, but for what only a look finds out: each workspace is looked at once
-- an hour besides, a sixtieth of them each minute. What counts as wrong is decided by who looks.
create function bridged.workspaces_doubtful(moment timestamptz) returns table (workspace_id bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.workspace_id from bridged.connections c
  left join bridged.sync_settings s on s.connection_id = c.id
  left join bridged.webhook_endpoints w on w.connection_id = c.id
  left join lateral (select r.started_at from bridged.runs r where r.connection_id = c.id order by r.id desc limit 1) last on true
  left join lateral (select r.state from bridged.runs r where r.connection_id = c.id
    and r.state in ('complete', 'failed', 'incomplete') order by r.id desc limit 1) ended on true
  where c.disconnected_at is null and (
    c.trouble is not null
    or ended.state in ('failed', 'incomplete')
    or not s.paused and (
      s.next_sync_at < moment - interval '5 minutes'
      -- The slot before the next one is past, and nothing has begun since.
      or s.next_sync_at - make_interval(secs => greatest(s.every_seconds, case s.method when 'webhooks' then 86400 else 0 end))
        between coalesce(last.started_at, c.created_at) and moment - interval '5 minutes')
    or w.state in ('disabled', 'missing')
    or exists (select from bridged.gaps g where g.connection_id = c.id and g.missed > 0
                 and g.found_at > least(moment - interval '7 days', coalesce(w.checked_at, '-infinity'))))
  union
  select n.workspace_id from bridged.connections_with_events() n
  where exists (select from bridged.events e where e.connection_id = n.connection_id and e.state in ('pending', 'failed')
                  and (e.state = 'failed' or e.received_at < moment - interval '5 minutes'))
  union
  select p.workspace_id from bridged.channel_pauses p where p.until is null
  union
  select h.workspace_id from bridged.channels h where h.removed_at is null
    and (upper(h.health #>> '{number,quality_rating}') in ('RED', 'YELLOW')
         or upper(h.health #>> '{phone_number_quality_update,event}') = 'FLAGGED')
  union
  select a.workspace_id from bridged.alerts a where a.recovered_at is null or a.recovered_at > moment - interval '1 day'
  union
  select w.workspace_id from bridged.workspaces_watched() w
  where w.workspace_id % 60 = extract(minute from moment)::int
$$;

revoke execute on function bridged.workspaces_doubtful(timestamptz) from public;
grant execute on function bridged.workspaces_doubtful(timestamptz) to bridged_app;
