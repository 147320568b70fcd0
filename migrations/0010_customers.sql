-- Recipes: systems whose notices make requests, and the customers whom they know by other names than an
-- address. None of it is on the way of jobs that bring an address.

-- Recipes' ids are parts of webhooks' paths: unique over all companies.
create table recipe (
    name text primary key,
    company int not null references company
);

-- A notice that makes a request, written down before its sender is answered.
create table notice (
    -- hash(recipe, what makes the notice unique): a repeat is the same row.
    key uuid primary key,
    company int not null,
    recipe text not null,
    -- What a person would look for: the envelope's or the interaction's id. It is the idempotency key.
    name text not null,
    -- As it came; absent where the interaction of the same key tells, and once it is done.
    body bytea,
    -- The job made of it, before it is handed in: the same again after a death.
    job bytea,
    received_at timestamptz not null default now(),
    due_at timestamptz not null,
    -- How often it was taken up.
    tries int not null default 0,
    done_at timestamptz,
    -- accepted, duplicate, rejected, or why it makes no request.
    outcome text,
    -- The request, or the rejected job.
    made uuid,
    check ((done_at is null) = (outcome is null))
);
create index notice_due on notice (due_at) where done_at is null;
create index notice_done on notice (done_at) where done_at is not null;

-- What is known of an interaction that is told in pieces, in any order.
create table interaction (
    -- hash(recipe, the interaction's id), as in notice
    key uuid primary key,
    company int not null,
    facts jsonb not null,
    -- For compare-and-set.
    version int not null,
    changed_at timestamptz not null default now()
);
create index interaction_changed on interaction (changed_at);

-- A company's customers, as recipes, people and imports named them.
create table customers (
    id uuid primary key,
    company int not null references company,
    custom_id text,
    name text,
    email text,
    phone text,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);
create index customers_company on customers (company, id);

-- By what a customer is recognised.
create table identities (
    -- hash(company, kind, value)
    key uuid primary key,
    customer uuid not null references customers on delete cascade,
    -- 0 custom id, 1 email, 2 phone, 3 social id
    kind smallint not null check (kind between 0 and 3)
);
create index identities_customer on identities (customer);
