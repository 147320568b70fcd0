-- Team members of a company, newest first. $5 is the cursor: only ids below it.
select id, email, custom_id, name, role, approved
from member
where company = $1 and ($2::text is null or lower(email) = lower($2)) and ($3::text is null or custom_id = $3)
    and ($4::bool is null or approved = $4) and ($5::uuid is null or id < $5)
order by id desc limit $6
