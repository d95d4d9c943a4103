-- What asked for turns before 0036 did. The queue's own triggers name its tables without their schema.
drop function bridged.connections_with_playbooks();
drop index bridged.messages_connection_id_settled_at_idx;
set local search_path = jobs;
delete from jobs.procrastinate_jobs where queue_name = 'playbooks';
set local search_path = pg_catalog;
