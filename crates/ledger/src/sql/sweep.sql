-- Takes expired leases. A message that was not begun is provably unsent: due again under a new epoch. One that was
-- begun without an outcome is unknown. A message with a newer epoch belongs to another claim. $4 lease expiries in a
-- row before the begin make a message a poison suspect; at $5 its exclusive trial was running, and it is
-- quarantined. A message with a due row was already returned under this lease: no expiry counts.
with expired as (
    delete from lease where id = any(array(
        select id from lease where until < now() order by until limit $1 for update skip locked))
    returning worker, messages, epochs
),
member as (
    select m.id, m.state, expired.worker, x.expiry_counts, x.expiry_counts and m.lease_expiries >= $5::int2 as crashed
    from expired cross join unnest(expired.messages, expired.epochs) as e(id, epoch)
    join message m on m.id = e.id
    cross join lateral (
        select m.state = 0 and not exists (select 1 from due d where d.message = m.id) as expiry_counts) x
    where m.epoch = e.epoch and m.state in (0, 1)
    order by m.id for no key update of m
),
orphaned as (
    update message m set epoch = m.epoch + 1,
        state = case when m.state = 1 then 2 else 0 end,
        outcome = case when m.state = 1 then 2 else m.outcome end,
        code = case when m.state = 1 then 'worker_lost' else m.code end,
        reason = case when m.state = 1 then 'awaiting_proof' when crashed then 'quarantined' else m.reason end,
        paused_at = case when crashed then now() else m.paused_at end,
        lease_expiries = case when expiry_counts and not crashed then least(m.lease_expiries + 1, $4::int2) else m.lease_expiries end,
        settled_at = case when m.state = 1 then now() else m.settled_at end,
        may_have_been_sent = m.may_have_been_sent or m.state = 1,
        tries = m.tries + (m.state = 1)::int
    from member where m.id = member.id
    returning m.id, m.account, m.medium, m.state, m.paused_at, m.expires_at, m.begun_at,
        m.company, m.attempt, m.lease_expiries, member.worker, member.crashed
),
quarantined as (
    insert into quarantine as q (message, company, account, crashes, attempt, workers)
    select id, company, account, lease_expiries, attempt, array[worker] from orphaned where crashed
    order by id
    on conflict (message) do update set at = now(), crashes = q.crashes + 1, attempt = excluded.attempt,
        workers = excluded.workers || q.workers[1:9], released_at = null
),
waiting as (
    insert into due (message, kind, lane, at, expires_at)
    select id, case when state = 2 then 3 when paused_at is not null then 1 when lease_expiries >= $4 then 2 else 0 end, account,
        case when state = 2 then greatest(now(), begun_at + make_interval(secs => case medium when 1 then $3::float8 else $2::float8 end))
             when paused_at is not null then expires_at
             else now() end,
        expires_at
    from orphaned order by id
    on conflict (message) do nothing
)
select count(*) filter (where state = 0) as "unsent!", count(*) filter (where state = 2) as "unknown!",
    coalesce(array_agg(id order by id) filter (where crashed), '{}') as "quarantined!"
from orphaned
