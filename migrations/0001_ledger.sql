-- The ledger. Layout and fill factors are measured, not guessed: one immutable wide request, one narrow
-- message that alone changes, one reservation per identity of a person, one lease per batch, and due
-- rows only for what waits. No foreign keys and no index on a changing column of the hot tables.

-- Companies, and everything that they configured.
create table company (
    id int primary key generated always as identity,
    slug text not null unique check (slug ~ '^[a-z0-9-]{1,63}$'),
    version int not null check (version > 0)
);

create table policy (
    company int not null references company,
    version int not null,
    document jsonb not null,
    applied_at timestamptz not null default now(),
    primary key (company, version)
);

create table account (
    id int primary key generated always as identity,
    company int not null references company,
    name text not null unique,
    retired boolean not null default false
);

create table member (
    id uuid primary key,
    company int not null references company,
    email text,
    custom_id text,
    name text,
    role text,
    approved boolean not null,
    -- Keyed hashes of company and name: one whole single-column key for each look-up.
    email_key uuid unique,
    custom_key uuid unique,
    check (email is not null or custom_id is not null)
);
create index member_company on member (company);

-- One accepted wish to ask one customer; never changes (but for a lapsed hash-made key).
create table request (
    id uuid primary key,
    company int not null,
    -- hash(company, idempotency key), and whether the key was given or made of the content.
    idem uuid not null,
    idem_made boolean not null,
    content_hash uuid not null,
    former uuid,
    -- Service recoveries: the root request, and hash(root, ordinal), unique so that three is three.
    root uuid,
    recovery uuid,
    source smallint not null,
    test boolean not null,
    policy_version int not null,
    customer_custom_id text,
    customer_name text,
    customer_email text,
    customer_phone text,
    employee_email text,
    employee_custom_id text,
    channel text not null,
    brand text not null,
    language text,
    country text,
    medium smallint,
    ext_interaction_id text,
    external_url text,
    -- Tags and custom properties, absent where there are none.
    details jsonb,
    decision text not null,
    created_at timestamptz not null default now()
);
create unique index request_idem on request (idem);
create unique index request_former on request (former) where former is not null;
create unique index request_recovery on request (recovery) where recovery is not null;
create index request_root on request (root) where root is not null;
create index request_company on request (company, id);

-- One thing to deliver; the only hot row that changes.
create table message (
    -- For the first message the request's own id.
    id uuid primary key,
    request uuid not null,
    seq smallint not null default 0,
    company int not null,
    -- The lane, the medium and the hash of the address; absent where there was no candidate.
    account int,
    medium smallint,
    addr uuid,
    -- The reservations that the fence checks.
    slots uuid[] not null default '{}',
    state smallint not null check (state between 0 and 8),
    -- The fencing token: every claim raises it.
    epoch int not null default 0,
    attempt smallint not null default 0,
    -- Attempts that count against the schedule.
    tries smallint not null default 0,
    -- Some attempt was accepted or may have been: the person counts as asked.
    reached boolean not null default false,
    first_due_at timestamptz not null,
    expires_at timestamptz not null,
    paused_at timestamptz,
    begun_at timestamptz,
    settled_at timestamptz,
    delivered_at timestamptz,
    ended_at timestamptz,
    -- 0 accepted, 1 refused, 2 unknown; absent while the attempt is under way.
    outcome smallint check (outcome between 0 and 2),
    code text,
    reason text,
    provider_id text,
    check (state <> 1 or begun_at is not null),
    check (state not in (5, 6, 7, 8) or reason is not null)
) with (fillfactor = 50);
create unique index message_follow_up on message (request, seq) where seq > 0;

-- Earlier attempts, written by the begin of the next one.
create table attempt_past (
    message uuid not null,
    attempt smallint not null,
    begun_at timestamptz,
    settled_at timestamptz,
    outcome smallint,
    code text,
    provider_id text,
    primary key (message, attempt)
);

-- One reservation per identity of a person: who asked last, or plans to.
create table contact (
    slot uuid primary key,
    request uuid not null,
    asked_at timestamptz not null,
    -- The suppression period of who reserved, in seconds; null: a recovery, which takes over.
    window_secs int,
    -- Whom a give-back restores.
    prior_request uuid,
    prior_asked_at timestamptz
) with (fillfactor = 80);

-- The right to make attempts at these messages until then, at these epochs.
create table lease (
    id uuid primary key,
    worker uuid not null,
    until timestamptz not null,
    members uuid[] not null,
    epochs int[] not null
);
create index lease_until on lease (until);

-- What waits. Kind 0: an attempt is due. Kind 1: an end is to be checked (an unknown's window, a paused
-- message's expiry).
create table due (
    message uuid primary key,
    kind smallint not null check (kind in (0, 1)),
    lane int not null,
    at timestamptz not null,
    expires_at timestamptz not null
);
create index due_send on due (lane, at) where kind = 0;
create index due_check on due (at) where kind = 1;
create index due_expiry on due (expires_at) where kind = 0;

-- Addresses that may not be written to; kinds is a set of bits.
create table block (
    -- hash(company, medium, address)
    addr uuid primary key,
    company int not null,
    medium smallint not null,
    kinds int not null,
    at timestamptz not null default now(),
    source text not null,
    note text
);

-- Every authentic receipt once.
create table receipt (
    -- hash(account, what makes the notice unique)
    key uuid primary key,
    content bytea not null,
    account int not null,
    message uuid,
    attempt smallint,
    kind text not null,
    code text,
    at timestamptz not null default now()
);
create index receipt_message on receipt (message) where message is not null;

-- Rare ends, so that lists filter by status without an index that mentions the state.
create table ending (
    company int not null,
    state smallint not null,
    ended_at timestamptz not null default now(),
    request uuid not null
);
create index ending_list on ending (company, state, ended_at);

-- Jobs that were refused, with their bytes and every problem.
create table rejected_job (
    id uuid primary key,
    -- hash(company, key, content): the same mistake again only counts.
    same uuid not null unique,
    company int,
    routing text not null,
    source text not null,
    message_key text,
    received_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    times int not null default 1,
    -- Absent above 64 KiB.
    body bytea,
    body_bytes bigint not null,
    body_sha256 bytea not null,
    problems jsonb not null,
    replayed_at timestamptz,
    replayed_as uuid
);
create index rejected_job_seen on rejected_job (last_seen_at);

-- A change that `lifecycle::transition` never makes is refused here; a test compares the two lists.
create function refuse_transition() returns trigger language plpgsql as $$
begin
    raise exception 'message % may not go from state % to %', old.id, old.state, new.state
        using errcode = 'check_violation';
end $$;

create trigger message_transition before update of state on message for each row
when (old.state is distinct from new.state and (old.state, new.state) not in (
    (0, 1), (0, 3), (0, 4), (0, 5), (0, 6), (0, 7), (0, 8),
    (1, 0), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6),
    (2, 3), (2, 4), (2, 5), (2, 6),
    (3, 4), (3, 6),
    (5, 3), (5, 4), (5, 6)
)) execute function refuse_transition();

-- Two first-ever reservations of one person by overlapping identities can meet in the instant between
-- their snapshots; who won only some of its identities starts over and then sees the other's rows.
create function start_over_if(partial boolean) returns boolean language plpgsql as $$
begin
    if partial then
        raise exception 'a reservation was won in part' using errcode = 'serialization_failure';
    end if;
    return true;
end $$;

-- Gives back what these requests still hold, restoring whoever asked before them.
create function give_back(holders uuid[], wanted uuid[]) returns bigint language plpgsql as $$
declare given bigint;
begin
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
