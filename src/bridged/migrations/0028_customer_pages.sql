-- Pages of customers and of mirrored objects at any size: each order and each rare state has an index that carries it.

create function bridged.surname_first_v1(name text) returns text
  language sql immutable parallel safe
  return case when name like '% %' then regexp_replace(name, '^(.*\S)\s+(\S+)$', '\2 \1') end;

-- The moment from which on something is overdue: it is by itself, or once the first due date has passed.
create function bridged.overdue_from_v1(facts jsonb) returns bigint
  language sql immutable parallel safe
  return case
    when jsonb_typeof(facts -> 'overdue_amount') = 'object' and facts -> 'overdue_amount' <> '{}' then 0
    when jsonb_typeof(facts -> 'dues') = 'array' and facts -> 'dues' <> '[]' then
      (select min(bridged.int_of(due -> 'at')) from jsonb_array_elements(facts -> 'dues') due)
  end;

alter table bridged.profiles
  add column listed_as text collate "C" not null
    generated always as (coalesce(name_norm, email_norm, customer_id)) stored,
  add column surname text collate "C" generated always as (bridged.surname_first_v1(name_norm)) stored,
  add column began bigint not null generated always as (coalesce(bridged.int_of(facts -> 'created'), 0)) stored,
  add column overdue_from bigint generated always as (bridged.overdue_from_v1(facts)) stored;
comment on column bridged.profiles.listed_as is 'what a list is ordered by: the name, else the e-mail address, else the id';
comment on column bridged.profiles.began is 'when the customer was created, Unix seconds';
comment on column bridged.profiles.overdue_from is 'Unix seconds; 0: overdue already when computed';

-- What a list is narrowed by stands in the index too: a narrow filter reads many entries and few rows.
create index on bridged.profiles (connection_id, listed_as, customer_id)
  include (workspace_id, status, product_id, overdue_from);
create index on bridged.profiles (connection_id, began desc, customer_id)
  include (workspace_id, status, product_id, overdue_from);
create index on bridged.profiles (connection_id, surname) where surname is not null;
create index on bridged.profiles (connection_id, overdue_from, customer_id) where overdue_from is not null;
create index on bridged.profiles (connection_id, product_id, customer_id) where product_id is not null;
create index on bridged.scores (connection_id, total desc, customer_id) include (workspace_id, band);

-- What did not go the usual way is found without reading what did.
create index on stripe.charges (connection_id, status, created desc, id) where status <> 'succeeded';
create index on stripe.payment_intents (connection_id, status, created desc, id) where status <> 'succeeded';
create index on stripe.refunds (connection_id, status, created desc, id) where status <> 'succeeded';
create index on stripe.invoice_payments (connection_id, status, created desc, id) where status <> 'paid';
create index on stripe.balance_transactions (connection_id, status, created desc, id) where status <> 'available';
create index on stripe.checkout_sessions (connection_id, status, created desc, id) where status <> 'complete';
create index on stripe.prices (connection_id, product_id);
