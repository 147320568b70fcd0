-- Keys of the HTTP entrance. A key is shown once and kept as a hash; its prefix finds the row.
create table api_key (
    id uuid primary key,
    company int not null references company,
    name text not null,
    prefix text not null unique,
    -- SHA-256 of the whole key: it is random, so nothing slower is needed.
    hash bytea not null check (octet_length(hash) = 32),
    -- A live key reaches customers; a test key never does.
    live boolean not null,
    scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['send', 'read', 'manage']),
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    -- To the minute: not every call is written down.
    last_used_at timestamptz
);
create index api_key_company on api_key (company);
