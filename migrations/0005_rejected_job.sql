-- Rejected jobs, and the error alerts that companies receive about them.

create table rejected_job (
    id uuid primary key,
    fingerprint uuid not null unique,
    company int,
    routing text not null,
    source text not null,
    message_key text,
    received_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    times int not null default 1,
    body bytea,
    body_bytes bigint not null,
    body_sha256 bytea not null,
    problems jsonb not null,
    replayed_at timestamptz,
    replayed_as uuid,
    test boolean not null default false,
    hour_at timestamptz not null default now(),
    hour_times int not null default 1
);
create index rejected_job_seen on rejected_job (last_seen_at);
create index rejected_job_company on rejected_job (company, id) where company is not null;
comment on table rejected_job is 'Jobs (and responses) that were rejected, with their bytes and every problem, so that a producer can correct and replay them.';
comment on column rejected_job.id is 'UUIDv7; lists are ordered by it.';
comment on column rejected_job.fingerprint is 'Keyed hash of (company, key, body): a repeat of the same job only counts.';
comment on column rejected_job.company is 'company.id; absent where the routing names no company.';
comment on column rejected_job.routing is 'AMQP routing key, or HTTP path.';
comment on column rejected_job.source is 'Word of the entry point.';
comment on column rejected_job.message_key is 'AMQP message id or idempotency key, where the job had one.';
comment on column rejected_job.received_at is 'First arrival.';
comment on column rejected_job.last_seen_at is 'Latest arrival.';
comment on column rejected_job.times is 'How often the job came.';
comment on column rejected_job.body is 'As received; absent above 64 KiB.';
comment on column rejected_job.body_bytes is 'Size of the body in bytes, also where it is absent.';
comment on column rejected_job.body_sha256 is 'SHA-256 of the body.';
comment on column rejected_job.problems is 'Array of {path, code, message}; without personal data.';
comment on column rejected_job.replayed_at is 'Time at which a replay was accepted.';
comment on column rejected_job.replayed_as is 'request.id that the replay became.';
comment on column rejected_job.test is 'Came by a test binding or test key; its replay is a test too.';
comment on column rejected_job.hour_at is 'Start of the hour that hour_times counts; a new hour begins with the first repeat after it ended.';
comment on column rejected_job.hour_times is 'How often the job came since hour_at.';

create table alert_tick (
    one boolean primary key default true check (one),
    at timestamptz not null
);
insert into alert_tick (at) values ('-infinity');
comment on table alert_tick is 'One row: the worker that updates it has the turn to check for error alerts, once per minute over the whole fleet.';
comment on column alert_tick.one is 'Always true: keeps the table at one row.';
comment on column alert_tick.at is 'Time of the last turn.';

create table alert (
    company int primary key,
    last_at timestamptz not null,
    rejected bigint not null,
    accepted bigint not null
);
comment on table alert is 'The last error alert of each company; written in one statement with the alert''s requests, at most once an hour.';
comment on column alert.company is 'company.id';
comment on column alert.last_at is 'Time of the last alert.';
comment on column alert.rejected is 'Rejected jobs of the hour before it.';
comment on column alert.accepted is 'Accepted requests of the hour before it; counted up to a limit.';
