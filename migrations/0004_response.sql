-- Responses of customers, and the requests that they complete.

create table response (
    id uuid primary key,
    key uuid not null unique,
    content_hash uuid not null,
    company int not null,
    test boolean not null,
    source text not null,
    response_id text not null,
    request uuid,
    former_id_hash uuid,
    ext_interaction_id text,
    awaited_key uuid not null,
    answered_at timestamptz not null,
    received_at timestamptz not null default now(),
    details jsonb,
    check ((request is null) <> (ext_interaction_id is null))
);
comment on table response is 'Every response once, under its producer''s id.';
comment on column response.id is 'UUIDv7';
comment on column response.key is 'Keyed hash of (company, response_id).';
comment on column response.content_hash is 'Keyed hash of the content: the same response_id with other content is a conflict.';
comment on column response.company is 'company.id';
comment on column response.test is 'From a test binding or test key: completes test requests only.';
comment on column response.source is 'Word of the entry point.';
comment on column response.response_id is 'The producer''s id.';
comment on column response.request is 'The request id that the response names, which may be a former id; absent where it names an interaction.';
comment on column response.former_id_hash is 'Keyed hash of the same id as a former id (request.former_id_hash).';
comment on column response.ext_interaction_id is 'The interaction that the response names; absent where it names a request.';
comment on column response.awaited_key is 'Keyed hash of (company, test, request or interaction): awaited.key.';
comment on column response.answered_at is 'As stated by the producer, at most the time of arrival.';
comment on column response.received_at is 'Arrival.';
comment on column response.details is 'Score, comment and custom properties; absent where there are none.';

create table awaited (
    key uuid not null,
    response uuid not null,
    checks smallint not null default 0,
    check_at timestamptz not null,
    until timestamptz not null,
    primary key (key, response)
);
create index awaited_check on awaited (check_at);
comment on table awaited is 'Responses whose request may still come. A response that names an interaction stays until its time ends, because more requests about the interaction may follow. Small; read only when not empty.';
comment on column awaited.key is 'response.awaited_key; a job finds the response by it.';
comment on column awaited.response is 'response.id';
comment on column awaited.until is 'The row is deleted after this time.';
comment on column awaited.checks is 'Searches for the request so far.';
comment on column awaited.check_at is 'Time of the next search.';

create table answer (
    request uuid primary key,
    at timestamptz not null default now(),
    source text not null,
    response uuid
);
create index answer_response on answer (response) where response is not null;
comment on table answer is 'Requests whose customer answered: no further message is sent for them.';
comment on column answer.request is 'request.id';
comment on column answer.at is 'Time of the answer as the response states it, or of the note by a person.';
comment on column answer.source is 'Word of the entry point; cli or an API key''s name where a person noted the answer.';
comment on column answer.response is 'response.id; absent where a person noted the answer.';
