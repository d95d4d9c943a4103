-- A job that goes back to the queue (snoozed, cut off, or its worker died) while another of its queueing lock waits there:
-- the unique index would refuse it, and it would stay `doing`, with its lock, for ever. It gives up the queueing lock
-- instead; both run, one after the other. The advisory lock has them see each other: a job that is being queued is not
-- visible before its transaction commits.
create function jobs.yield_queueing_lock() returns trigger language plpgsql as $$
begin
  if new.queueing_lock is not null then
    perform pg_advisory_xact_lock(hashtextextended('jobs ' || new.queueing_lock, 0));
    if tg_op = 'UPDATE' and exists (
      select from jobs.procrastinate_jobs
      where queueing_lock = new.queueing_lock and status = 'todo' and id <> new.id
    ) then
      new.queueing_lock := null;
    end if;
  end if;
  return new;
end;
$$;

create trigger yield_queueing_lock_on_insert before insert on jobs.procrastinate_jobs
for each row when (new.status = 'todo') execute function jobs.yield_queueing_lock();

create trigger yield_queueing_lock_on_update before update on jobs.procrastinate_jobs
for each row when (new.status = 'todo' and old.status <> 'todo') execute function jobs.yield_queueing_lock();
