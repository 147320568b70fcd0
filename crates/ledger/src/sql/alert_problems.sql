-- Problems of the jobs that alert_rejections.sql counts, most frequent first, each with its latest example.
select p.path as "path!", p.code as "code!", p.message as "message!", p.times as "times!", p.example as "example!"
from (
    select x.path, x.code, (array_agg(x.message order by x.last_seen_at desc))[1] as message,
        sum(x.times) as times, (array_agg(x.id order by x.last_seen_at desc))[1] as example
    from (
        select j.id, j.last_seen_at, one ->> 'path' as path, one ->> 'code' as code, one ->> 'message' as message,
            case when j.hour_at > now() - interval '1 hour' then j.hour_times else 1 end as times
        from (
            select * from rejected_job
            where last_seen_at > now() - interval '1 hour' and company = $1 and not test
                and routing not like 'responses.%'
            order by last_seen_at desc limit $2) j
        cross join lateral jsonb_array_elements(j.problems) one
    ) x
    group by x.path, x.code
    order by sum(x.times) desc, x.path, x.code
    limit $3
) p
