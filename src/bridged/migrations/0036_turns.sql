-- Where playbooks have something to do, found by a few probes of indexes: a look at every connection that has playbooks
-- costs milliseconds each.

create table bridged.playbook_turns (
  connection_id uuid primary key references bridged.connections on delete cascade,
  workspace_id bigint not null references bridged.workspaces,
  timed_at timestamptz not null default '-infinity'
);
comment on table bridged.playbook_turns is 'connections in which a playbook was ever switched on or published';
comment on column bridged.playbook_turns.timed_at is 'when the moments that time makes were looked for last';
alter table bridged.playbook_turns enable row level security;
create policy workspace on bridged.playbook_turns
  using (workspace_id = bridged.workspace_id()) with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.playbook_turns to bridged_app;

-- How far ahead time makes moments is decided by the versions that are on.
create function bridged.note_turns() returns trigger language plpgsql as $$
begin
  insert into bridged.playbook_turns (connection_id, workspace_id) values (new.connection_id, new.workspace_id)
  on conflict (connection_id) do update set timed_at = '-infinity';
  return null;
end;
$$;
create trigger note_turns after insert or update of enabled, version on bridged.playbooks
  for each row execute function bridged.note_turns();
insert into bridged.playbook_turns (connection_id, workspace_id)
  select distinct connection_id, workspace_id from bridged.playbooks on conflict do nothing;

alter table bridged.messages add column taken_back_at timestamptz;
comment on column bridged.messages.taken_back_at is
  'of a message handed back undelivered: when what it came from was told, and might decide anew';

-- Asked across tenants, and nothing more, and only where a playbook is on or a run not finished.
-- Where a run is due, moments wait since `noted_by`, or a message came back. Compiling it would take longer than it does.
create function bridged.connections_with_turns(due_by timestamptz, noted_by timestamptz)
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
  select t.workspace_id, t.connection_id from bridged.playbook_turns t
  where exists (select from bridged.playbook_runs r where r.connection_id = t.connection_id and r.finished_at is null
                  and r.next_at <= due_by and (r.leased_until is null or r.leased_until <= due_by))
    or ((select m.noted_at from bridged.moments m where m.connection_id = t.connection_id and m.state = 'new'
         order by m.seq limit 1) <= noted_by
        or exists (select from bridged.messages b where b.connection_id = t.connection_id and b.state = 'expired'
                     and b.taken_back_at is null))
      and (exists (select from bridged.playbooks p where p.connection_id = t.connection_id and p.enabled)
           or exists (select from bridged.playbook_runs u where u.connection_id = t.connection_id and u.finished_at is null))
$$;

-- Where the moments that time makes were last looked for before `timed_by`, or, by a clock that was wrong, after now.
create function bridged.connections_to_time(timed_by timestamptz, at_most timestamptz)
  returns table (workspace_id bigint, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp set jit = off
as $$
  select t.workspace_id, t.connection_id from bridged.playbook_turns t
  where (t.timed_at <= timed_by or t.timed_at > at_most)
    and exists (select from bridged.playbooks p where p.connection_id = t.connection_id and p.enabled)
$$;

revoke execute on function bridged.connections_with_turns(timestamptz, timestamptz) from public;
revoke execute on function bridged.connections_to_time(timestamptz, timestamptz) from public;
grant execute on function bridged.connections_with_turns(timestamptz, timestamptz) to bridged_app;
grant execute on function bridged.connections_to_time(timestamptz, timestamptz) to bridged_app;
