-- A month too big for one budget is proven in parts, newest first: how far its pass has come, and when one was last whole.
alter table bridged.proofs
  add column proven_at timestamptz,
  add column pass_began timestamptz,
  add column part_from bigint,
  add check ((pass_began is null) = (part_from is null));
comment on column bridged.proofs.proven_at is 'when the last pass began that compared every object of the month';
comment on column bridged.proofs.part_from is
  'second of `created` down to which the unfinished pass has compared; the counts are those of the pass so far';
