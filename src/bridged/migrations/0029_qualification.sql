-- Ranking on pages: by score, within a band, of an owner; and what a draft of weights would change, as it was last found.

-- Plain columns, so that counting and ranking read the index and no rows.
drop index bridged.scores_connection_id_expr_customer_id_idx;
create index on bridged.scores (connection_id, total desc, customer_id) include (workspace_id);
create index on bridged.scores (connection_id, band, total desc, customer_id) include (workspace_id);
create index on bridged.scores (connection_id, owner, total desc, customer_id);

alter table bridged.score_drafts add column simulation jsonb;
comment on column bridged.score_drafts.simulation is 'the counts of the last simulation; of no use while simulated_at is null';

-- Only the customers that a simulation names: who moves farthest, and the best by either weights.
create table bridged.score_simulated (
  workspace_id bigint not null references bridged.workspaces,
  connection_id uuid not null references bridged.score_drafts (connection_id) on delete cascade,
  customer_id text not null,
  rank_before int not null,
  rank_after int not null,
  total_before smallint not null,
  total_after smallint not null,
  band_before text not null,
  band_after text not null,
  mover int,
  top_before int,
  top_after int,
  primary key (connection_id, customer_id)
);
comment on column bridged.score_simulated.mover is 'the place among those who move farthest, from 0; null: not among them';
alter table bridged.score_simulated enable row level security;
create policy workspace on bridged.score_simulated using (workspace_id = bridged.workspace_id())
  with check (workspace_id = bridged.workspace_id());
grant select, insert, update, delete on bridged.score_simulated to bridged_app;
