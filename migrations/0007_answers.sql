-- Answers: what customers said, each kept under its producer's own id; which requests each completed; and
-- those that requests to come still await.

create table response (
    id uuid primary key,
    -- hash(company, response_id), and of all that it says: the same id with other content is a conflict.
    key uuid not null unique,
    content_hash uuid not null,
    company int not null,
    -- Of a test binding or a test key: it completes test requests only.
    test boolean not null,
    source text not null,
    response_id text not null,
    -- What it names: a request (our id, or the former id with this key), or an interaction.
    request uuid,
    former uuid,
    ext_interaction_id text,
    -- hash(company, test, either): under what it is awaited.
    awaits uuid not null,
    answered_at timestamptz not null,
    received_at timestamptz not null default now(),
    -- Score, comment and custom properties, absent where there are none.
    details jsonb,
    check ((request is null) <> (ext_interaction_id is null))
);

-- Answers to requests that may still come. An interaction's stays for its time: another request about the
-- same interaction may follow. Small, and only looked up by whoever finds that it is not empty.
create table awaited (
    -- As `response.awaits`.
    key uuid not null,
    response uuid not null,
    looks smallint not null default 0,
    look_at timestamptz not null,
    until timestamptz not null,
    primary key (key, response)
);
create index awaited_look on awaited (look_at);

-- Which response said so; absent: a person at the command line.
alter table answer add column response uuid;
create index answer_response on answer (response) where response is not null;

-- Answers may name an interaction. Compared byte by byte; requests without one are not in it.
create index request_interaction on request (ext_interaction_id text_pattern_ops) where ext_interaction_id is not null;
