-- Error alerts: a company hears when many of its jobs are refused, at most once an hour over the whole fleet.

-- How often within an hour: counted from `hour_at` on, anew when that is an hour ago.
alter table rejected_job add column hour_at timestamptz not null default now();
alter table rejected_job add column hour_times int not null default 1;

-- Whose turn it is to look, and when that was last: one row.
create table alert_tick (
    one boolean primary key default true check (one),
    at timestamptz not null
);
insert into alert_tick (at) values ('-infinity');

-- The last digest of each company. It is written with the digest's requests, in one statement.
create table alert (
    company int primary key,
    last_at timestamptz not null,
    rejected bigint not null,
    accepted bigint not null
);
