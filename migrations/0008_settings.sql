-- Settings over the API: who changed what, two editors who do not overwrite each other, blocks and refused
-- jobs that can be paged. Nothing here is written per request.

-- Every change of settings, in the transaction that made it.
create table audit (
    -- Ordered by time: the list is read backwards.
    id uuid primary key,
    company int not null,
    at timestamptz not null default now(),
    -- Through what: key, cli, system.
    actor text not null check (actor in ('key', 'cli', 'system')),
    -- The key's id, and its name; the name of the command line's user.
    actor_id uuid,
    actor_name text not null,
    -- As in company.change, member.add, block.lift.
    action text not null,
    -- As in `member 0190…`; absent where the company is meant.
    object text,
    -- What differs, by path, each with before and after; no secrets, no addresses of customers.
    changes jsonb not null,
    reason text
);
create index audit_company on audit (company, id);

-- Counts changes of team members, which make no version of the policy.
alter table company add column members_version int not null default 1 check (members_version > 0);

drop index member_company;
create index member_list on member (company, id);

-- The address, only of what a person of the company blocked: who wrote it can read it back.
alter table block add column address text;
-- Places a block in the list; unlike `at` it never changes.
alter table block add column since timestamptz;
update block set since = at;
alter table block alter column since set default now(), alter column since set not null;
create index block_list on block (company, since, addr);

-- Whether its producer's door was a test one: its replay is a test as well.
alter table rejected_job add column test boolean not null default false;
create index rejected_job_company on rejected_job (company, id) where company is not null;
