-- Reconciliation: unknown attempts are looked for at their providers, receipts that never come too;
-- answers stop what was not sent yet.

-- Sent once more after its provider had no trace of it: once, and only where the company wants it.
alter table message add column resent boolean not null default false;

-- Kind 3: an unknown attempt is to be looked for. (2 is taken by quarantine's suspects.)
alter table due drop constraint due_kind_check;
alter table due add constraint due_kind_check check (kind in (0, 1, 2, 3));
-- Complete and empty looks among the last two.
alter table due add column absent smallint not null default 0;
create index due_look on due (at) where kind = 3;
update due set kind = 3 where kind = 1 and message in (select id from message where state = 2);

-- Batches of messages that a provider took and whose last receipts are awaited: one row a batch, because
-- nearly all of them are delivered long before anybody looks.
create table watch (
    id uuid primary key,
    account int not null,
    at timestamptz not null,
    looks smallint not null default 0,
    members uuid[] not null
);
create index watch_at on watch (at);

-- Proofs that nobody told us: found by looking.
alter table receipt add column looked_up boolean not null default false;

-- Customers who answered: nothing more is sent for that request.
create table answer (
    request uuid primary key,
    at timestamptz not null default now(),
    source text not null
);

drop trigger message_transition on message;
create trigger message_transition before update of state on message for each row
when (old.state is distinct from new.state and (old.state, new.state) not in (
    (0, 1), (0, 3), (0, 4), (0, 5), (0, 6), (0, 7), (0, 8),
    (1, 0), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6),
    (2, 0), (2, 3), (2, 4), (2, 5), (2, 6),
    (3, 4), (3, 6),
    (5, 3), (5, 4), (5, 6)
)) execute function refuse_transition();
