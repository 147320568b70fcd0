-- Requests and their messages. Layout and fill factors are measured: one immutable wide request, one narrow
-- message that alone changes, one reservation per identity of a person. Hot tables have no foreign keys and no
-- index on a changing column, so that updates stay HOT (heap-only tuples).

create table request (
    id uuid primary key,
    company int not null,
    idempotency_hash uuid not null,
    key_is_derived boolean not null,
    content_hash uuid not null,
    former_id_hash uuid,
    original_request uuid,
    recovery_hash uuid,
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
    details jsonb,
    decision text not null,
    created_at timestamptz not null default now()
);
create unique index request_idempotency_hash on request (idempotency_hash);
create unique index request_former_id_hash on request (former_id_hash) where former_id_hash is not null;
create unique index request_recovery_hash on request (recovery_hash) where recovery_hash is not null;
create index request_original_request on request (original_request) where original_request is not null;
create index request_company on request (company, id);
-- Byte-wise comparison suffices; requests without an interaction id are not in this index.
create index request_interaction on request (ext_interaction_id text_pattern_ops) where ext_interaction_id is not null;
comment on table request is 'One accepted request to ask one customer; immutable, except that an expired derived idempotency hash is replaced.';
comment on column request.id is 'UUIDv7, made by the worker.';
comment on column request.company is 'company.id';
comment on column request.idempotency_hash is 'Keyed hash of (company, idempotency key); unique, so that a job is accepted once.';
comment on column request.key_is_derived is 'The producer gave no idempotency key, so the worker derived one from the content. Such a key holds for 24 hours.';
comment on column request.content_hash is 'Keyed hash of the job''s content: the same key with other content is a conflict.';
comment on column request.former_id_hash is 'Keyed hash of (company, id in the system that the company used before).';
comment on column request.original_request is 'For a service recovery: request.id of the first request of the chain.';
comment on column request.recovery_hash is 'For a service recovery: keyed hash of (original request, ordinal); unique, so that the limit of recoveries holds.';
comment on column request.source is 'Entry point: 0 AMQP, 1 HTTP, 2 operator (command line), 3 connector, 4 error alert (not a request of a customer).';
comment on column request.test is 'Accepted by a test binding or test key: its messages go to the company''s test address or to the sandbox.';
comment on column request.policy_version is 'policy.version by which the rules decided.';
comment on column request.customer_custom_id is 'The companys own id of the customer.';
comment on column request.customer_name is 'Personal data.';
comment on column request.customer_email is 'Personal data, as given.';
comment on column request.customer_phone is 'Personal data, E.164.';
comment on column request.employee_email is 'Email address of the same team member.';
comment on column request.employee_custom_id is 'The companys own id of the team member whom the customer dealt with.';
comment on column request.channel is 'Channel of the interaction (phone, chat …); not the medium of the message.';
comment on column request.brand is 'Id of the brand in the policy.';
comment on column request.language is 'BCP 47 tag for the message text.';
comment on column request.country is 'ISO 3166-1 alpha-2, for phone numbers in national form.';
comment on column request.medium is 'Medium that the job asked for: 0 email, 1 SMS; absent: the policy chooses.';
comment on column request.ext_interaction_id is 'The producer''s id of the interaction; responses may name it.';
comment on column request.external_url is 'Link to the interaction in the producers system.';
comment on column request.details is 'Tags, custom properties, manual sender, or the text of an alert; absent where there are none.';
comment on column request.decision is 'Decision of the rules with its inputs (JSON text).';
comment on column request.created_at is 'Time of the acceptance.';

create table message (
    id uuid primary key,
    request uuid not null,
    seq smallint not null default 0,
    company int not null,
    account int,
    medium smallint,
    address_hash uuid,
    reservation_keys uuid[] not null default '{}',
    state smallint not null check (state between 0 and 8),
    epoch int not null default 0,
    attempt smallint not null default 0,
    tries smallint not null default 0,
    may_have_been_sent boolean not null default false,
    first_due_at timestamptz not null,
    expires_at timestamptz not null,
    paused_at timestamptz,
    begun_at timestamptz,
    settled_at timestamptz,
    delivered_at timestamptz,
    ended_at timestamptz,
    outcome smallint check (outcome between 0 and 2),
    code text,
    reason text,
    provider_id text,
    resent boolean not null default false,
    lease_expiries smallint not null default 0,
    previous_state smallint,
    check (state <> 1 or begun_at is not null),
    check (state not in (5, 6, 7, 8) or reason is not null)
) with (fillfactor = 50);
create unique index message_follow_up on message (request, seq) where seq > 0;
comment on table message is 'One message to deliver for a request, with its current attempt; the only hot table whose rows change.';
comment on column message.id is 'Equal to request.id for the first message (seq 0).';
comment on column message.request is 'request.id';
comment on column message.seq is '0 for the first message; further messages (retries by a person) count from 1.';
comment on column message.company is 'company.id';
comment on column message.account is 'account.id, which is the lane; absent where the rules found no candidate.';
comment on column message.medium is '0 email, 1 SMS; absent where the rules found no candidate.';
comment on column message.address_hash is 'Keyed hash of (company, medium, address); the fence compares it with block.address_hash.';
comment on column message.reservation_keys is 'Keys of the reservations that the message needs; the fence checks that its request still holds all of them.';
comment on column message.state is '0 waiting, 1 sending, 2 unknown, 3 sent, 4 delivered, 5 presumed failed, 6 failed, 7 suppressed, 8 canceled. The trigger message_transition refuses changes that lifecycle::transition does not know.';
comment on column message.epoch is 'Fencing token: every claim raises it, and most writes compare it.';
comment on column message.attempt is 'Number of the current attempt; 0 before the first.';
comment on column message.tries is 'Attempts that count against the retry schedule.';
comment on column message.may_have_been_sent is 'Some attempt was accepted by the provider or may have been: the person counts as asked.';
comment on column message.first_due_at is 'Time from which the message may be sent first.';
comment on column message.expires_at is 'No attempt begins after this time.';
comment on column message.paused_at is 'Present while a person or the quarantine holds the message.';
comment on column message.begun_at is 'Start of the current attempt, written before the call to the provider.';
comment on column message.settled_at is 'Time at which the outcome of the current attempt was stored.';
comment on column message.delivered_at is 'Arrival of the receipt that says delivered.';
comment on column message.ended_at is 'Time of the change to a state from 5 to 8.';
comment on column message.outcome is 'Of the current attempt: 0 accepted, 1 refused, 2 unknown; absent while the call runs.';
comment on column message.code is 'Error code of the provider, or worker_lost.';
comment on column message.reason is 'Word of domain lifecycle::Reason.';
comment on column message.provider_id is 'The provider''s id of the message.';
comment on column message.resent is 'Sent once more after complete status polls without a trace; happens once at most.';
comment on column message.lease_expiries is 'Leases in a row that expired before the attempt began. From 2 on the message is a poison suspect; 3: its exclusive trial runs.';
comment on column message.previous_state is 'State before the last settle or receipt: RETURNING yields new values only, and a prior SELECT costs a second descent.';

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
comment on table attempt_past is 'Earlier attempts of a message, moved here by the begin of the next one. Columns as in message.';
comment on column attempt_past.message is 'message.id';
comment on column attempt_past.attempt is 'Counts from 1.';
comment on column attempt_past.begun_at is 'As message.begun_at.';
comment on column attempt_past.settled_at is 'As message.settled_at.';
comment on column attempt_past.outcome is 'As message.outcome.';
comment on column attempt_past.code is 'As message.code.';
comment on column attempt_past.provider_id is 'As message.provider_id.';

create table reservation (
    key uuid primary key,
    request uuid not null,
    asked_at timestamptz not null,
    window_secs int,
    prior_request uuid,
    prior_asked_at timestamptz
) with (fillfactor = 80);
comment on table reservation is 'One row per identity of a person (custom id, email, phone): the request that asked last or plans to. Enforces the suppression period.';
comment on column reservation.key is 'Keyed hash of (company, brand where brands are apart, kind, value).';
comment on column reservation.request is 'request.id of the holder.';
comment on column reservation.asked_at is 'Planned or real time of the question; the suppression period counts from here.';
comment on column reservation.window_secs is 'Suppression period of the holder in seconds; absent: a service recovery, which takes over.';
comment on column reservation.prior_request is 'request.id of the holder before; restored when the present holder ends without having been sent.';
comment on column reservation.prior_asked_at is 'asked_at of the prior holder.';

create table ending (
    company int not null,
    state smallint not null,
    ended_at timestamptz not null default now(),
    request uuid not null
);
create index ending_list on ending (company, state, ended_at);
comment on table ending is 'Rare ends (states 5 to 8) by company: lists filter by status without an index on message.state.';
comment on column ending.company is 'company.id';
comment on column ending.state is 'As message.state.';
comment on column ending.ended_at is 'Time of the end.';
comment on column ending.request is 'request.id';

create table retry (
    message uuid primary key,
    request uuid not null,
    previous_message uuid not null,
    at timestamptz not null default now(),
    entry_point text not null,
    api_key uuid,
    requested_by text not null,
    note text,
    acknowledged boolean not null
);
comment on table retry is 'A person''s retry of a failed request: a new message, on record. The failed message stays as it is.';
comment on column retry.message is 'message.id of the new message.';
comment on column retry.request is 'request.id';
comment on column retry.previous_message is 'message.id of the failed message.';
comment on column retry.at is 'Time of the retry.';
comment on column retry.entry_point is 'Name of the API key, or cli.';
comment on column retry.api_key is 'api_key.id; absent for the command line.';
comment on column retry.requested_by is 'The person.';
comment on column retry.note is 'Free text of the person.';
comment on column retry.acknowledged is 'The person accepted that the customer may receive the message twice.';

create table request_action (
    request uuid not null,
    message uuid not null,
    at timestamptz not null default now(),
    action text not null check (action in ('paused', 'resumed', 'canceled', 'answered')),
    entry_point text not null,
    api_key uuid,
    requested_by text,
    note text
);
create index request_action_request on request_action (request, at);
comment on table request_action is 'Effective actions of people on requests, except retries; written by the statement that carries the action out.';
comment on column request_action.request is 'request.id';
comment on column request_action.message is 'message.id of the message that the action changed.';
comment on column request_action.at is 'Time of the action.';
comment on column request_action.action is 'paused, resumed, canceled or answered.';
comment on column request_action.entry_point is 'As retry.entry_point.';
comment on column request_action.api_key is 'As retry.api_key.';
comment on column request_action.requested_by is 'The person, where one was named.';
comment on column request_action.note is 'Free text of the person.';

create function refuse_transition() returns trigger language plpgsql as $$
begin
    raise exception 'message % may not go from state % to %', old.id, old.state, new.state
        using errcode = 'check_violation';
end $$;
comment on function refuse_transition() is 'Refuses a state change that lifecycle::transition never makes; a test compares the two lists.';

-- The numbers are nine times the old state plus the new one. Postgres parses a trigger's condition anew in every
-- statement that updates messages; a list of pairs cost 80 us per statement.
create trigger message_transition before update of state on message for each row
when (old.state is distinct from new.state and old.state * 9 + new.state <> all ('{
    1, 3, 4, 5, 6, 7, 8,
    9, 11, 12, 13, 14, 15,
    18, 21, 22, 23, 24,
    31, 33,
    48, 49, 51
}'::int[])) execute function refuse_transition();

create function fail_if_partial(partial boolean) returns boolean language plpgsql as $$
begin
    if partial then
        raise exception 'a reservation was won in part' using errcode = 'serialization_failure';
    end if;
    return true;
end $$;
comment on function fail_if_partial(boolean) is 'Two first reservations of one person by overlapping identities can both be missing in each other''s snapshots. The one that won only some keys fails with 40001, is repeated, and then reads the other''s rows.';

create function release_reservations(holders uuid[], wanted uuid[]) returns bigint language plpgsql as $$
declare released bigint;
begin
    holders := array(
        select h from unnest(holders) h
        where not exists (select 1 from message m where m.id = h and m.may_have_been_sent)
            and not exists (select 1 from message m where m.request = h and m.seq > 0 and m.may_have_been_sent));
    perform 1 from reservation where key = any(wanted) and (request = any(holders) or prior_request = any(holders))
    order by key for no key update;
    -- First: a request that never asked must not come back as prior holder, neither now, where its successor is
    -- released in the same call, nor later.
    update reservation set prior_request = null, prior_asked_at = null
    where key = any(wanted) and prior_request = any(holders);
    delete from reservation where key = any(wanted) and request = any(holders) and prior_request is null;
    get diagnostics released = row_count;
    update reservation set request = prior_request, asked_at = prior_asked_at, prior_request = null, prior_asked_at = null
    where key = any(wanted) and request = any(holders);
    return released;
end $$;
comment on function release_reservations(uuid[], uuid[]) is 'Releases the reservations (wanted: their keys) that these requests (holders) hold, and restores the prior holders. Requests of which some message may have been sent keep theirs.';
