-- The mirror: one table per kind, the object verbatim in `data`, and columns generated from it, so that column and object
-- can never disagree. The readers take old and new API shapes, and answer null, never an error, for what they do not know.

create function bridged.text_of(value jsonb) returns text
  language sql immutable parallel safe
  return case jsonb_typeof(value) when 'string' then value #>> '{}' end;

-- A word of an open enum. Like ids it is at most 255 characters long: an index takes no more than 2,700 bytes.
create function bridged.word_of(value jsonb) returns text
  language sql immutable parallel safe
  return case jsonb_typeof(value) when 'string' then left(value #>> '{}', 255) end;

-- An expandable field is an id, an object, or null.
create function bridged.ref_of(value jsonb) returns text
  language sql immutable parallel safe
  return case jsonb_typeof(value) when 'string' then bridged.word_of(value) when 'object' then bridged.word_of(value -> 'id') end;

create function bridged.int_of(value jsonb) returns bigint
  language sql immutable parallel safe
  return case when jsonb_typeof(value) = 'number' then
    case when abs(value::numeric) < 9000000000000000000 then trunc(value::numeric)::bigint end end;

create function bridged.time_of(value jsonb) returns timestamptz
  language sql immutable parallel safe
  return case when jsonb_typeof(value) = 'number' then
    case when value::numeric between 0 and 253402300799 then to_timestamp(value::double precision) end end;

create function bridged.bool_of(value jsonb) returns boolean
  language sql immutable parallel safe
  return case jsonb_typeof(value) when 'boolean' then value::boolean end;

-- Search columns: normalised here, searched by equality, so that row-level security keeps their indexes.
create function bridged.norm_of(value jsonb) returns text
  language sql immutable parallel safe
  return case jsonb_typeof(value) when 'string' then nullif(left(lower(btrim(value #>> '{}')), 512), '') end;

create function bridged.phone_of(value jsonb) returns text
  language sql immutable parallel safe
  return case jsonb_typeof(value) when 'string' then nullif(left(regexp_replace(value #>> '{}', '[^0-9+]', '', 'g'), 32), '') end;

-- A subscription renews when the first of its items does (items carry the period since 2025-03-31, the subscription before).
create function bridged.item_period_v1(subscription jsonb, field text) returns timestamptz
  language sql immutable parallel safe
  return coalesce(
    (select min(bridged.time_of(item -> field))
       from jsonb_array_elements(case jsonb_typeof(subscription #> '{items,data}') when 'array'
                                 then subscription #> '{items,data}' else '[]' end) item),
    bridged.time_of(subscription -> field));

create function bridged.create_mirror_v1(kind text, columns text) returns void
  language plpgsql as $$
begin
  execute format($ddl$
    create table stripe.%1$I (
      workspace_id bigint not null,
      connection_id uuid not null,
      id text not null,
      created timestamptz generated always as (bridged.time_of(data -> 'created')) stored,
      deleted boolean not null default false,
      as_of timestamptz not null,
      known_until timestamptz not null,
      dirty boolean not null default false,
      changed_at timestamptz not null,
      data jsonb not null,
      livemode boolean generated always as (bridged.bool_of(data -> 'livemode')) stored
      %2$s,
      primary key (connection_id, id)
    )$ddl$, kind, columns);
  execute format('create index on stripe.%1$I (connection_id, created desc, id)', kind);
  execute format('create index on stripe.%1$I (connection_id, id) where dirty', kind);
  execute format('alter table stripe.%1$I enable row level security', kind);
  execute format('create policy workspace on stripe.%1$I using (workspace_id = bridged.workspace_id())
                    with check (workspace_id = bridged.workspace_id())', kind);
  execute format('grant select, insert, update, delete on stripe.%1$I to bridged_app', kind);
end $$;

select bridged.create_mirror_v1('customers', $c$,
  email text generated always as (bridged.text_of(data -> 'email')) stored,
  email_norm text generated always as (bridged.norm_of(data -> 'email')) stored,
  name text generated always as (bridged.text_of(data -> 'name')) stored,
  name_norm text generated always as (bridged.norm_of(data -> 'name')) stored,
  phone_norm text generated always as (bridged.phone_of(data -> 'phone')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored,
  balance bigint generated always as (bridged.int_of(data -> 'balance')) stored,
  delinquent boolean generated always as (bridged.bool_of(data -> 'delinquent')) stored
$c$);
create index on stripe.customers (connection_id, email_norm);
create index on stripe.customers (connection_id, name_norm);
create index on stripe.customers (connection_id, phone_norm);

select bridged.create_mirror_v1('subscriptions', $c$,
  customer_id text generated always as (bridged.ref_of(data -> 'customer')) stored,
  customer_account text generated always as (bridged.text_of(data -> 'customer_account')) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored,
  collection_method text generated always as (bridged.text_of(data -> 'collection_method')) stored,
  current_period_start timestamptz generated always as (bridged.item_period_v1(data, 'current_period_start')) stored,
  current_period_end timestamptz generated always as (bridged.item_period_v1(data, 'current_period_end')) stored,
  trial_end timestamptz generated always as (bridged.time_of(data -> 'trial_end')) stored,
  cancel_at timestamptz generated always as (bridged.time_of(data -> 'cancel_at')) stored,
  cancel_at_period_end boolean generated always as (bridged.bool_of(data -> 'cancel_at_period_end')) stored,
  canceled_at timestamptz generated always as (bridged.time_of(data -> 'canceled_at')) stored,
  ended_at timestamptz generated always as (bridged.time_of(data -> 'ended_at')) stored,
  latest_invoice_id text generated always as (bridged.ref_of(data -> 'latest_invoice')) stored,
  schedule_id text generated always as (bridged.ref_of(data -> 'schedule')) stored,
  price_id text generated always as (bridged.ref_of(data #> '{items,data,0,price}')) stored
$c$);
create index on stripe.subscriptions (connection_id, customer_id);
create index on stripe.subscriptions (connection_id, status);

select bridged.create_mirror_v1('invoices', $c$,
  customer_id text generated always as (bridged.ref_of(data -> 'customer')) stored,
  customer_account text generated always as (bridged.text_of(data -> 'customer_account')) stored,
  subscription_id text generated always as (coalesce(
    bridged.ref_of(data #> '{parent,subscription_details,subscription}'), bridged.ref_of(data -> 'subscription'))) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  number text generated always as (bridged.text_of(data -> 'number')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored,
  total bigint generated always as (bridged.int_of(data -> 'total')) stored,
  amount_due bigint generated always as (bridged.int_of(data -> 'amount_due')) stored,
  amount_paid bigint generated always as (bridged.int_of(data -> 'amount_paid')) stored,
  amount_remaining bigint generated always as (bridged.int_of(data -> 'amount_remaining')) stored,
  collection_method text generated always as (bridged.text_of(data -> 'collection_method')) stored,
  billing_reason text generated always as (bridged.text_of(data -> 'billing_reason')) stored,
  attempt_count bigint generated always as (bridged.int_of(data -> 'attempt_count')) stored,
  due_date timestamptz generated always as (bridged.time_of(data -> 'due_date')) stored,
  next_payment_attempt timestamptz generated always as (bridged.time_of(data -> 'next_payment_attempt')) stored,
  period_end timestamptz generated always as (bridged.time_of(data -> 'period_end')) stored,
  hosted_invoice_url text generated always as (bridged.text_of(data -> 'hosted_invoice_url')) stored
$c$);
create index on stripe.invoices (connection_id, customer_id, status);
create index on stripe.invoices (connection_id, subscription_id);
create index on stripe.invoices (connection_id, status);

select bridged.create_mirror_v1('payment_intents', $c$,
  customer_id text generated always as (bridged.ref_of(data -> 'customer')) stored,
  customer_account text generated always as (bridged.text_of(data -> 'customer_account')) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  amount bigint generated always as (bridged.int_of(data -> 'amount')) stored,
  amount_received bigint generated always as (bridged.int_of(data -> 'amount_received')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored,
  latest_charge_id text generated always as (bridged.ref_of(data -> 'latest_charge')) stored,
  payment_method_id text generated always as (bridged.ref_of(data -> 'payment_method')) stored,
  invoice_id text generated always as (bridged.ref_of(data -> 'invoice')) stored
$c$);
create index on stripe.payment_intents (connection_id, customer_id);

select bridged.create_mirror_v1('charges', $c$,
  customer_id text generated always as (bridged.ref_of(data -> 'customer')) stored,
  payment_intent_id text generated always as (bridged.ref_of(data -> 'payment_intent')) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  amount bigint generated always as (bridged.int_of(data -> 'amount')) stored,
  amount_refunded bigint generated always as (bridged.int_of(data -> 'amount_refunded')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored,
  paid boolean generated always as (bridged.bool_of(data -> 'paid')) stored,
  disputed boolean generated always as (bridged.bool_of(data -> 'disputed')) stored,
  failure_code text generated always as (bridged.text_of(data -> 'failure_code')) stored,
  invoice_id text generated always as (bridged.ref_of(data -> 'invoice')) stored,
  balance_transaction_id text generated always as (bridged.ref_of(data -> 'balance_transaction')) stored
$c$);
create index on stripe.charges (connection_id, customer_id);
create index on stripe.charges (connection_id, payment_intent_id);

select bridged.create_mirror_v1('refunds', $c$,
  charge_id text generated always as (bridged.ref_of(data -> 'charge')) stored,
  payment_intent_id text generated always as (bridged.ref_of(data -> 'payment_intent')) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  reason text generated always as (bridged.text_of(data -> 'reason')) stored,
  amount bigint generated always as (bridged.int_of(data -> 'amount')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored
$c$);
create index on stripe.refunds (connection_id, charge_id);

select bridged.create_mirror_v1('disputes', $c$,
  charge_id text generated always as (bridged.ref_of(data -> 'charge')) stored,
  payment_intent_id text generated always as (bridged.ref_of(data -> 'payment_intent')) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  reason text generated always as (bridged.text_of(data -> 'reason')) stored,
  amount bigint generated always as (bridged.int_of(data -> 'amount')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored
$c$);
create index on stripe.disputes (connection_id, charge_id);

select bridged.create_mirror_v1('payouts', $c$,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  amount bigint generated always as (bridged.int_of(data -> 'amount')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored,
  arrival_date timestamptz generated always as (bridged.time_of(data -> 'arrival_date')) stored
$c$);

select bridged.create_mirror_v1('balance_transactions', $c$,
  type text generated always as (bridged.text_of(data -> 'type')) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  source_id text generated always as (bridged.ref_of(data -> 'source')) stored,
  amount bigint generated always as (bridged.int_of(data -> 'amount')) stored,
  fee bigint generated always as (bridged.int_of(data -> 'fee')) stored,
  net bigint generated always as (bridged.int_of(data -> 'net')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored,
  available_on timestamptz generated always as (bridged.time_of(data -> 'available_on')) stored
$c$);
create index on stripe.balance_transactions (connection_id, source_id);

select bridged.create_mirror_v1('products', $c$,
  name text generated always as (bridged.text_of(data -> 'name')) stored,
  active boolean generated always as (bridged.bool_of(data -> 'active')) stored
$c$);

select bridged.create_mirror_v1('prices', $c$,
  product_id text generated always as (bridged.ref_of(data -> 'product')) stored,
  active boolean generated always as (bridged.bool_of(data -> 'active')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored,
  unit_amount bigint generated always as (bridged.int_of(data -> 'unit_amount')) stored,
  type text generated always as (bridged.text_of(data -> 'type')) stored,
  recurring_interval text generated always as (bridged.text_of(data #> '{recurring,interval}')) stored,
  recurring_interval_count bigint generated always as (bridged.int_of(data #> '{recurring,interval_count}')) stored
$c$);

select bridged.create_mirror_v1('coupons', $c$,
  name text generated always as (bridged.text_of(data -> 'name')) stored,
  valid boolean generated always as (bridged.bool_of(data -> 'valid')) stored,
  duration text generated always as (bridged.text_of(data -> 'duration')) stored,
  amount_off bigint generated always as (bridged.int_of(data -> 'amount_off')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored
$c$);

select bridged.create_mirror_v1('invoice_payments', $c$,
  invoice_id text generated always as (bridged.ref_of(data -> 'invoice')) stored,
  payment_intent_id text generated always as (bridged.ref_of(data #> '{payment,payment_intent}')) stored,
  charge_id text generated always as (bridged.ref_of(data #> '{payment,charge}')) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  is_default boolean generated always as (bridged.bool_of(data -> 'is_default')) stored,
  amount_requested bigint generated always as (bridged.int_of(data -> 'amount_requested')) stored,
  amount_paid bigint generated always as (bridged.int_of(data -> 'amount_paid')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored
$c$);
create index on stripe.invoice_payments (connection_id, invoice_id);
create index on stripe.invoice_payments (connection_id, payment_intent_id);

select bridged.create_mirror_v1('subscription_schedules', $c$,
  customer_id text generated always as (bridged.ref_of(data -> 'customer')) stored,
  subscription_id text generated always as (bridged.ref_of(data -> 'subscription')) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored
$c$);
create index on stripe.subscription_schedules (connection_id, customer_id);

select bridged.create_mirror_v1('checkout_sessions', $c$,
  customer_id text generated always as (bridged.ref_of(data -> 'customer')) stored,
  payment_intent_id text generated always as (bridged.ref_of(data -> 'payment_intent')) stored,
  subscription_id text generated always as (bridged.ref_of(data -> 'subscription')) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  payment_status text generated always as (bridged.text_of(data -> 'payment_status')) stored,
  amount_total bigint generated always as (bridged.int_of(data -> 'amount_total')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored
$c$);
create index on stripe.checkout_sessions (connection_id, customer_id);

select bridged.create_mirror_v1('credit_notes', $c$,
  customer_id text generated always as (bridged.ref_of(data -> 'customer')) stored,
  invoice_id text generated always as (bridged.ref_of(data -> 'invoice')) stored,
  status text generated always as (bridged.word_of(data -> 'status')) stored,
  amount bigint generated always as (bridged.int_of(data -> 'amount')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored
$c$);
create index on stripe.credit_notes (connection_id, customer_id);

select bridged.create_mirror_v1('early_fraud_warnings', $c$,
  charge_id text generated always as (bridged.ref_of(data -> 'charge')) stored,
  payment_intent_id text generated always as (bridged.ref_of(data -> 'payment_intent')) stored,
  actionable boolean generated always as (bridged.bool_of(data -> 'actionable')) stored
$c$);

select bridged.create_mirror_v1('payment_methods', $c$,
  customer_id text generated always as (bridged.ref_of(data -> 'customer')) stored,
  type text generated always as (bridged.text_of(data -> 'type')) stored
$c$);
create index on stripe.payment_methods (connection_id, customer_id);

select bridged.create_mirror_v1('tax_ids', $c$,
  customer_id text generated always as (bridged.ref_of(data -> 'customer')) stored,
  type text generated always as (bridged.text_of(data -> 'type')) stored
$c$);
create index on stripe.tax_ids (connection_id, customer_id);

select bridged.create_mirror_v1('balance', '');

-- What Stripe would bill next, per subscription or schedule (`id` is theirs). `data` is the preview, or Stripe's refusal.
select bridged.create_mirror_v1('invoice_previews', $c$,
  amount_due bigint generated always as (bridged.int_of(data -> 'amount_due')) stored,
  currency text generated always as (bridged.text_of(data -> 'currency')) stored
$c$);
