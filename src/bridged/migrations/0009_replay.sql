-- Replay: what an event was before it was asked to be applied again, and refused deliveries that a second look accepted.
alter table bridged.events add column before_replay jsonb;
comment on column bridged.events.before_replay is 'state, attempts, due_at and error, which a canceled replay gives back';
create index on bridged.events (connection_id, replay_id) where replay_id is not null;

alter table bridged.deliveries add column accepted_at timestamptz;
comment on column bridged.deliveries.accepted_at is 'when a refused one was proven by a secret entered later; null: never';

alter table bridged.replays
  add column wanted jsonb not null default '{}',
  add column canceled int not null default 0,
  add column changes_before bigint not null default 0;
comment on column bridged.replays.wanted is 'what was asked for: the filter, or how many ids';
comment on column bridged.replays.canceled is 'events given back as they were when it was canceled';
comment on column bridged.replays.changes_before is 'the last change there was: those with a higher id came after';
grant select on sequence bridged.changes_id_seq to bridged_app;
