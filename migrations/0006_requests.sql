-- Requests in people's hands: a failed one is sent again by a person, as a new message, on record.

create table retry (
    -- The new message, and the one before it, which stays as it is.
    message uuid primary key,
    request uuid not null,
    of uuid not null,
    at timestamptz not null default now(),
    -- Through what it was asked for (an API key's name, `cli`), with which key, by whom, and why.
    door text not null,
    key uuid,
    requested_by text not null,
    note text,
    -- The person knew that the customer may get it twice.
    acknowledged boolean not null
);

-- What else people did to requests: written by the statement that does it, and only where it did something.
create table act (
    request uuid not null,
    -- To which of its messages.
    message uuid not null,
    at timestamptz not null default now(),
    act text not null check (act in ('paused', 'resumed', 'canceled', 'answered')),
    -- As in retry; a person only where one was named.
    door text not null,
    key uuid,
    requested_by text,
    note text
);
create index act_request on act (request, at);

-- As before, but for requests of which some other message went out or may have: the person counts as
-- asked, whatever becomes of a retry.
create or replace function give_back(holders uuid[], wanted uuid[]) returns bigint language plpgsql as $$
declare given bigint;
begin
    holders := array(
        select h from unnest(holders) h
        where not exists (select 1 from message m where m.id = h and m.reached)
            and not exists (select 1 from message m where m.request = h and m.seq > 0 and m.reached));
    perform 1 from contact where slot = any(wanted) and (request = any(holders) or prior_request = any(holders))
    order by slot for no key update;
    -- First of all: who never asked must not come back, neither now, where their overtaker gives up with
    -- them, nor later, where it gives up in turn.
    update contact set prior_request = null, prior_asked_at = null
    where slot = any(wanted) and prior_request = any(holders);
    delete from contact where slot = any(wanted) and request = any(holders) and prior_request is null;
    get diagnostics given = row_count;
    update contact set request = prior_request, asked_at = prior_asked_at, prior_request = null, prior_asked_at = null
    where slot = any(wanted) and request = any(holders);
    return given;
end $$;
