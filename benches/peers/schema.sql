-- Tables that both peers write to. As their users would have it: one table, one unique key per message, one
-- reservation per address. No index holds a column that changes and pages have room, so that updates stay HOT
-- (Postgres' documentation, "Heap-Only Tuples").
create table if not exists request (
  id uuid primary key default gen_random_uuid(),
  key text not null unique,              -- the message's key: a job that comes again is the same request
  channel text not null,
  name text,
  address text not null,                 -- a phone number or an email address
  employee text,
  interaction text,
  status text not null check (status in ('queued', 'suppressed', 'sent', 'delivered', 'failed')),
  provider_id text,
  created_at timestamptz not null default now(),
  sent_at timestamptz,
  delivered_at timestamptz
) with (fillfactor = 70);

create table if not exists asked (       -- times of requests: no customer is asked twice within 30 days
  address text primary key,
  key text not null,
  asked_at timestamptz not null default now()
);
