-- Refused jobs of the last hour by company, where no digest went out within it. A mistake that began to repeat
-- more than an hour ago counts once until its hour begins anew: never more than there were. Tests and
-- customers' responses (`topology::RESPONSES`), which are kept here too, are no jobs of its share.
select j.company as "company!", now() as "now!",
    sum(case when j.hour_at > now() - interval '1 hour' then j.hour_times else 1 end) as "rejected!"
from rejected_job j
where j.last_seen_at > now() - interval '1 hour' and j.company = any($1::int[]) and not j.test
    and j.routing not like 'responses.%'
    and not exists (select 1 from alert a where a.company = j.company and a.last_at > now() - interval '1 hour')
group by j.company
