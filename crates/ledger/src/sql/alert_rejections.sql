-- Rejected jobs of the last hour by company, for companies without an alert in that hour. A repeated job counts
-- once between the end of its counted hour and the next repeat, so the sum is never too high. Tests and customers'
-- responses (routing `responses.…`) do not count.
select j.company as "company!", now() as "now!",
    sum(case when j.hour_at > now() - interval '1 hour' then j.hour_times else 1 end) as "rejected!"
from rejected_job j
where j.last_seen_at > now() - interval '1 hour' and j.company = any($1::int[]) and not j.test
    and j.routing not like 'responses.%'
    and not exists (select 1 from alert a where a.company = j.company and a.last_at > now() - interval '1 hour')
group by j.company
