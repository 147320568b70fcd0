-- Companies, their settings, API keys and the audit of every change. Nothing here is written per request,
-- except the last use of an API key (once a minute).

create table company (
    id int primary key generated always as identity,
    slug text not null unique check (slug ~ '^[a-z0-9-]{1,63}$'),
    version int not null check (version > 0),
    members_version int not null default 1 check (members_version > 0)
);
comment on table company is 'One row per company; an editor of its settings locks this row.';
comment on column company.id is 'Stored in every table that belongs to a company.';
comment on column company.slug is 'Public name: part of routing keys, API paths and command arguments.';
comment on column company.version is 'Version of the policy in force (policy.version).';
comment on column company.members_version is 'Counts changes of team members, which create no policy version.';

create table policy (
    company int not null references company,
    version int not null,
    document jsonb not null,
    applied_at timestamptz not null default now(),
    primary key (company, version)
);
comment on table policy is 'Every version of every company''s policy; append-only, so that a stored decision stays explainable.';
comment on column policy.company is 'company.id';
comment on column policy.version is 'Counts from 1 within the company.';
comment on column policy.document is 'The policy as in the company file, without team members and secrets.';
comment on column policy.applied_at is 'Time of the commit that put this version in force.';

create table account (
    id int primary key generated always as identity,
    company int not null references company,
    name text not null unique,
    retired boolean not null default false
);
comment on table account is 'Provider accounts. The id also names the lane: the unit of fairness, limits and circuit breakers.';
comment on column account.id is 'Stored in message.account, due.lane and others.';
comment on column account.company is 'company.id; an account belongs to one company.';
comment on column account.name is 'Id of the account in the company file; unique over all companies because webhook paths contain it.';
comment on column account.retired is 'Removed from the policy; the row stays because messages refer to it.';

create table member (
    id uuid primary key,
    company int not null references company,
    email text,
    custom_id text,
    name text,
    role text,
    approved boolean not null,
    email_key uuid unique,
    custom_key uuid unique,
    check (email is not null or custom_id is not null)
);
create index member_list on member (company, id);
comment on table member is 'Team members of companies; the rules check the employee of a job against them.';
comment on column member.id is 'UUIDv7; lists are ordered by it.';
comment on column member.company is 'company.id';
comment on column member.email is 'As given; compared without case.';
comment on column member.custom_id is 'The company''s own id of the employee.';
comment on column member.name is 'Display name.';
comment on column member.role is 'Word of domain company::Role; absent: member.';
comment on column member.approved is 'Requests may name only approved team members, where the policy asks for it.';
comment on column member.email_key is 'Keyed hash of (company, lower-case email): one whole unique key per look-up.';
comment on column member.custom_key is 'Keyed hash of (company, custom id).';

create table api_key (
    id uuid primary key,
    company int not null references company,
    name text not null,
    prefix text not null unique,
    hash bytea not null check (octet_length(hash) = 32),
    live boolean not null,
    scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['send', 'read', 'manage']),
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    last_used_at timestamptz
);
create index api_key_company on api_key (company);
comment on table api_key is 'Keys of the HTTP API; a key is displayed once and stored as a hash. Revoked keys stay.';
comment on column api_key.id is 'UUIDv7';
comment on column api_key.company is 'company.id';
comment on column api_key.name is 'Free text for people; the audit and request_action repeat it.';
comment on column api_key.prefix is 'First characters of the key; the look-up finds the row by them.';
comment on column api_key.hash is 'SHA-256 of the whole key. Keys are random, so a slow password hash adds nothing.';
comment on column api_key.live is 'A live key reaches customers; a test key (false) never does.';
comment on column api_key.scopes is 'Any of send, read, manage.';
comment on column api_key.created_at is 'Time of the insert.';
comment on column api_key.revoked_at is 'Present: the key is refused.';
comment on column api_key.last_used_at is 'Precise to one minute: later uses within the same minute are not written.';

create table audit (
    id uuid primary key,
    company int not null,
    at timestamptz not null default now(),
    actor text not null check (actor in ('key', 'cli', 'system')),
    actor_id uuid,
    actor_name text not null,
    action text not null,
    object text,
    changes jsonb not null,
    reason text
);
create index audit_company on audit (company, id);
comment on table audit is 'Every change of settings, written in the transaction of the change.';
comment on column audit.id is 'UUIDv7: the list reads it backwards.';
comment on column audit.company is 'company.id';
comment on column audit.at is 'Time of the changes transaction.';
comment on column audit.actor is 'Kind of actor: key (HTTP API), cli (command line), system (a program of the project).';
comment on column audit.actor_id is 'api_key.id where the actor is a key.';
comment on column audit.actor_name is 'Name of the API key, or user of the command line.';
comment on column audit.action is 'For example company.change, member.add, block.lift.';
comment on column audit.object is 'For example "member 0190…"; absent where the company itself changed.';
comment on column audit.changes is 'Differences by path, each with before and after. No secrets, no addresses of customers.';
comment on column audit.reason is 'Free text of the actor.';
