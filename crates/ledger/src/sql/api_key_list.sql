-- API keys, newest first; of one company if $1 is given.
select k.id, c.slug as company, k.name, k.prefix, k.live, k.scopes, k.created_at, k.revoked_at, k.last_used_at
from api_key k join company c on c.id = k.company
where $1::int is null or k.company = $1
order by k.created_at desc, k.id
limit $2
