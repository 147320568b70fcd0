-- Watch what is left of batches until later, or no more.
with u as (select * from unnest($1::uuid[], $2::float8[], $3::int2[]) as t(id, wait_secs, looks)),
gone as (
    delete from watch where id = any(array(select id from u where wait_secs is null))
)
update watch w set at = now() + make_interval(secs => u.wait_secs), looks = u.looks,
    members = (
        select coalesce(array_agg(member order by member), '{}')
        from unnest(w.members) member where member = any($4::uuid[]))
from u where w.id = u.id and w.id = any($1::uuid[]) and u.wait_secs is not null
