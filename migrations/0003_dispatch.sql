-- Dispatch: leases, messages that wait, blocked addresses, receipts, status polls and poison protection.

create table lease (
    id uuid primary key,
    worker uuid not null,
    until timestamptz not null,
    messages uuid[] not null,
    epochs int[] not null
);
create index lease_until on lease (until);
-- Random ids: compression costs time and saves nothing.
alter table lease alter column messages set storage external;
comment on table lease is 'The right of one worker to make attempts at these messages, at these epochs, until then. One row per batch.';
comment on column lease.id is 'Random, drawn by the worker.';
comment on column lease.worker is 'Random id that a worker draws at its start.';
comment on column lease.until is 'After this time any worker may sweep the lease.';
comment on column lease.messages is 'message.id of each message of the batch.';
comment on column lease.epochs is 'message.epoch of each, in the same order.';

create table due (
    message uuid primary key,
    kind smallint not null,
    lane int not null,
    at timestamptz not null,
    expires_at timestamptz not null,
    empty_polls smallint not null default 0,
    constraint due_kind_check check (kind in (0, 1, 2, 3))
);
create index due_send on due (lane, at) where kind = 0;
create index due_check on due (at) where kind = 1;
create index due_expiry on due (expires_at) where kind = 0;
create index due_status_poll on due (at) where kind = 3;
create index due_suspect on due (at) where kind = 2;
create index due_suspect_expiry on due (expires_at) where kind = 2;
comment on table due is 'Messages that wait for a time. A message that is sent at once has no row here.';
comment on column due.message is 'message.id';
comment on column due.kind is '0 an attempt is due; 1 the expiry of a paused message is due; 2 an attempt of a poison suspect is due (exclusive trial; the ordinary claim does not see it); 3 a status poll of an unknown attempt is due.';
comment on column due.lane is 'account.id';
comment on column due.at is 'Not before this time.';
comment on column due.expires_at is 'Copy of message.expires_at.';
comment on column due.empty_polls is 'Kind 3: complete and empty status polls among the last two.';

create table block (
    address_hash uuid primary key,
    company int not null,
    medium smallint not null,
    kinds int not null,
    changed_at timestamptz not null default now(),
    source text not null,
    note text,
    address text,
    since timestamptz not null default now()
);
create index block_list on block (company, since, address_hash);
comment on table block is 'Addresses that must not receive messages, per company and medium.';
comment on column block.address_hash is 'Keyed hash of (company, medium, address).';
comment on column block.company is 'company.id';
comment on column block.medium is '0 email, 1 SMS.';
comment on column block.kinds is 'Sum of bits: 1 STOP, 2 unsubscribed, 4 complained, 8 hard bounce, 16 manual; 0: lifted.';
comment on column block.changed_at is 'Last block or lift.';
comment on column block.source is 'Origin of the last change: inbound, unsubscribe_link, receipt, provider, or the entry point of a person.';
comment on column block.note is 'Reason of a manual block.';
comment on column block.address is 'Present only for a manual block, so that its author can read it back.';
comment on column block.since is 'First block; orders the list, because changed_at moves.';

create table receipt (
    key uuid primary key,
    content bytea not null,
    account int not null,
    message uuid,
    attempt smallint,
    kind text not null,
    code text,
    at timestamptz not null default now(),
    looked_up boolean not null default false
);
create index receipt_message on receipt (message) where message is not null;
comment on table receipt is 'Every authentic receipt once; inbound STOP and START texts too.';
comment on column receipt.key is 'Keyed hash of (account, the unique part of the receipt).';
comment on column receipt.content is 'SHA-256 of the content: the same key with other content is a replay attack.';
comment on column receipt.account is 'account.id';
comment on column receipt.message is 'message.id; absent where the receipt names none of ours.';
comment on column receipt.attempt is 'message.attempt that the receipt is about.';
comment on column receipt.kind is 'For example accepted, delivered, failed, stop, start.';
comment on column receipt.code is 'Error code of the provider.';
comment on column receipt.at is 'Arrival.';
comment on column receipt.looked_up is 'Found by a status poll; the provider''s webhook did not bring it.';

create table receipt_poll (
    id uuid primary key,
    account int not null,
    at timestamptz not null,
    polls smallint not null default 0,
    messages uuid[] not null
);
create index receipt_poll_at on receipt_poll (at);
alter table receipt_poll alter column messages set storage external;
comment on table receipt_poll is 'Accepted messages whose last receipt is awaited, one row per batch: most are delivered long before the first poll.';
comment on column receipt_poll.id is 'Random.';
comment on column receipt_poll.account is 'account.id';
comment on column receipt_poll.at is 'Time of the next status poll.';
comment on column receipt_poll.polls is 'Status polls so far.';
comment on column receipt_poll.messages is 'message.id of each message that lacks its last receipt.';

create table quarantine (
    message uuid primary key,
    company int not null,
    account int,
    at timestamptz not null default now(),
    crashes int not null,
    attempt smallint not null,
    workers uuid[] not null,
    released_at timestamptz
);
create index quarantine_held on quarantine (at) where released_at is null;
comment on table quarantine is 'Messages during whose exclusive trial a worker died; held until a person resumes them. Released ones stay.';
comment on column quarantine.message is 'message.id';
comment on column quarantine.company is 'company.id';
comment on column quarantine.account is 'account.id';
comment on column quarantine.at is 'Latest quarantine.';
comment on column quarantine.crashes is 'Times that the message was quarantined, plus the expired leases that led to the first.';
comment on column quarantine.attempt is 'message.attempt at the time.';
comment on column quarantine.workers is 'lease.worker of the expired leases, latest first, 10 at most.';
comment on column quarantine.released_at is 'Present after a person resumed the message.';

create table trial_record (
    key uuid primary key,
    worker uuid not null,
    deliveries bigint not null,
    recorded_at timestamptz not null default now()
);
create index trial_record_recorded_at on trial_record (recorded_at);
comment on table trial_record is 'Jobs under an exclusive trial; the row goes with the acceptance. A row that stays behind says that the job crashed its worker.';
comment on column trial_record.key is 'Keyed hash of (routing key, message id, body): no personal data.';
comment on column trial_record.worker is 'As lease.worker.';
comment on column trial_record.deliveries is 'Deliveries by the broker before this one.';
comment on column trial_record.recorded_at is 'Start of the trial.';
