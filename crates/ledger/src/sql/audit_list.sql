-- Audit entries of a company, newest first. $5 is the cursor: only ids below it.
select id, at, actor, actor_id, actor_name, action, object, changes, reason
from audit
where company = $1 and ($2::text is null or action = $2) and ($3::text is null or object = $3)
    and ($4::timestamptz is null or at >= $4) and ($5::uuid is null or id < $5)
order by id desc limit $6
