-- Returns claims that were not begun: due again at $3. A poison suspect stays one, because a living worker proves
-- nothing about it.
with u as (select * from unnest($1::uuid[], $2::int[], $3::timestamptz[]) as t(id, epoch, at)),
freed as (
    update message m set epoch = m.epoch + 1, lease_expiries = least(m.lease_expiries, $4::int2)
    from (select m.id, u.at from u join message m on m.id = u.id
          where m.epoch = u.epoch and m.state = 0 and m.paused_at is null order by m.id for no key update of m) f
    where m.id = f.id
    returning m.id, m.account, m.expires_at, f.at, m.lease_expiries
)
insert into due (message, kind, lane, at, expires_at)
select id, case when lease_expiries >= $4 then 2 else 0 end, account, at, expires_at from freed where account is not null
on conflict (message) do nothing
