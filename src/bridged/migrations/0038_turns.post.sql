-- What asked for turns before 0036 did.
drop function bridged.connections_with_playbooks();
drop index bridged.messages_connection_id_settled_at_idx;
delete from jobs.procrastinate_jobs where queue_name = 'playbooks';
