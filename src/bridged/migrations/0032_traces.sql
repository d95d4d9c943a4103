-- One id from cause to effect. What an event or a request led to names what began it, where nothing else in the row does.

alter table bridged.moments add column event_id text;
comment on column bridged.moments.event_id is
  'the event that changed the object last before the moment was noted; null: none within the hour, or time made it';
create index on bridged.moments (connection_id, event_id) where event_id is not null;

alter table bridged.playbook_runs add column trace text;
comment on column bridged.playbook_runs.trace is 'the id of what the run began with, as the log has it';
create index on bridged.playbook_runs (connection_id, trace) where trace is not null;

alter table bridged.messages add column trace text;
comment on column bridged.messages.trace is 'the id of what led to the message, as the log has it';
create index on bridged.messages (connection_id, trace) where trace is not null;
