-- Decides and sends in one statement: the transaction that wins the company's hour writes a request, a message and a
-- due row for each address. So no alert is decided without being sent, and no second one follows within the hour.
-- $1 company, $2 rejected, $3 accepted, $4..$7 arrays by address (id, idempotency hash, email, address hash).
with won as (
    insert into alert as a (company, last_at, rejected, accepted) values ($1, now(), $2, $3)
    on conflict (company) do update set last_at = now(), rejected = excluded.rejected, accepted = excluded.accepted
        where a.last_at <= now() - interval '1 hour'
    returning company
),
mail as (
    select u.* from won cross join unnest($4::uuid[], $5::uuid[], $6::text[], $7::uuid[]) as u(id, idempotency_hash, email, address_hash)
),
asked as (
    insert into request (id, company, idempotency_hash, key_is_derived, content_hash, source, test, policy_version, customer_email,
        channel, brand, medium, details, decision)
    select id, $1, idempotency_hash, false, idempotency_hash, 4, false, $8, email, 'alert', $9, 0, $10, $11 from mail
),
written as (
    insert into message (id, request, company, account, medium, address_hash, state, first_due_at, expires_at)
    select id, id, $1, $12, 0, address_hash, 0, now(), now() + make_interval(secs => $13) from mail
    returning id, account, first_due_at, expires_at
),
waiting as (
    insert into due (message, kind, lane, at, expires_at)
    select id, 0, account, first_due_at, expires_at from written
)
select (select count(*) from won) > 0 as "won!"
