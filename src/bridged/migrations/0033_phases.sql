-- Which migrations older processes can work with: what is not named by them is asked for by this column.

alter table bridged.migrations add column phase text not null default 'pre' check (phase in ('pre', 'post'));
comment on column bridged.migrations.phase is
  'pre: a process that does not know this migration may start; post: it must not';
