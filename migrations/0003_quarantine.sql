-- Poison protection: what kills workers is tried alone, so that a death accuses exactly one, and who was
-- accused is kept apart until a person replays it.

-- Leases in a row that ran out before this message was begun; 3: it was being tried alone.
alter table message add column lapses smallint not null default 0;

-- Kind 2: an attempt is due, by a worker that tries this message alone. The ordinary claim never sees it.
alter table due drop constraint if exists due_kind_check;
alter table due add constraint due_kind_check check (kind in (0, 1, 2, 3));
create index due_suspect on due (at) where kind = 2;
create index due_suspect_expiry on due (expires_at) where kind = 2;

-- Messages that killed their workers, the replayed ones too.
create table quarantine (
    message uuid primary key,
    company int not null,
    account int,
    at timestamptz not null default now(),
    -- Deaths in all, and attempts made before.
    lapses int not null,
    attempt smallint not null,
    -- Whose leases ran out, as far as is known, the latest first.
    workers uuid[] not null,
    released_at timestamptz
);
create index quarantine_held on quarantine (at) where released_at is null;

-- A job that is being tried alone, until it is committed: a row that stays behind accuses it.
create table suspect (
    -- hash(routing key, message id, body)
    key uuid primary key,
    worker uuid not null,
    -- Deliveries before this one.
    deliveries bigint not null,
    noted_at timestamptz not null default now()
);
create index suspect_noted on suspect (noted_at);
