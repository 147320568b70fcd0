-- Connectors: systems that create requests by their notifications, and the customers that they know by other names than
-- an address. Jobs that bring an address touch none of these tables.

create table connector (
    name text primary key,
    company int not null references company
);
comment on table connector is 'Ids of connectors; unique over all companies, because webhook paths contain them. Their settings are in the policy.';
comment on column connector.name is 'Id of the connector in the company file.';
comment on column connector.company is 'company.id';

create table notification (
    key uuid primary key,
    company int not null,
    connector text not null,
    name text not null,
    body bytea,
    job bytea,
    received_at timestamptz not null default now(),
    due_at timestamptz not null,
    tries int not null default 0,
    done_at timestamptz,
    outcome text,
    created_id uuid,
    check ((done_at is null) = (outcome is null))
);
create index notification_due on notification (due_at) where done_at is null;
create index notification_done on notification (done_at) where done_at is not null;
comment on table notification is 'Webhook deliveries that create a request; stored before the sender gets its 2xx.';
comment on column notification.key is 'Keyed hash of (connector, name): a repeat is the same row.';
comment on column notification.company is 'company.id';
comment on column notification.connector is 'connector.name';
comment on column notification.name is 'Id of the envelope or interaction; the idempotency key of the request.';
comment on column notification.body is 'As received; absent where interaction.facts replaces it, and after the end.';
comment on column notification.job is 'The job made of it, stored before it is submitted, so that a repeat after a crash submits the same bytes.';
comment on column notification.received_at is 'Arrival.';
comment on column notification.due_at is 'Time of the next try; while a worker processes the row, the end of its lease.';
comment on column notification.tries is 'How often a worker took the row.';
comment on column notification.done_at is 'End of the processing.';
comment on column notification.outcome is 'accepted, duplicate, rejected, or the reason for making no request.';
comment on column notification.created_id is 'request.id, or rejected_job.id.';

create table interaction (
    key uuid primary key,
    company int not null,
    facts jsonb not null,
    version int not null,
    changed_at timestamptz not null default now()
);
create index interaction_changed on interaction (changed_at);
comment on table interaction is 'Facts about an interaction that a connector reports in pieces, in any order.';
comment on column interaction.key is 'Keyed hash of (connector, id of the interaction), as notification.key.';
comment on column interaction.company is 'company.id';
comment on column interaction.facts is 'Merged facts (JSON object); the connector defines the fields.';
comment on column interaction.version is 'For compare-and-set; counts from 1.';
comment on column interaction.changed_at is 'Last report.';

create table customers (
    id uuid primary key,
    company int not null references company,
    custom_id text,
    name text,
    email text,
    phone text,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);
create index customers_company on customers (company, id);
comment on table customers is 'Customers of companies as connectors, people and imports named them.';
comment on column customers.id is 'UUIDv7';
comment on column customers.company is 'company.id';
comment on column customers.custom_id is 'The company''s own id of the customer.';
comment on column customers.name is 'Full name.';
comment on column customers.email is 'As given.';
comment on column customers.phone is 'E.164';
comment on column customers.created_at is 'Time of the insert.';
comment on column customers.changed_at is 'Last report that named the customer.';

create table identities (
    key uuid primary key,
    customer uuid not null references customers on delete cascade,
    kind smallint not null check (kind between 0 and 3)
);
create index identities_customer on identities (customer);
comment on table identities is 'Identities by which a customer is recognised.';
comment on column identities.key is 'Keyed hash of (company, kind, value).';
comment on column identities.customer is 'customers.id';
comment on column identities.kind is '0 custom id, 1 email, 2 phone, 3 social id.';
