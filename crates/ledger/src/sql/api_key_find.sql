-- The API key with this prefix. `recorded`: its last use was written within the last minute.
select k.id, k.company, c.slug, k.name, k.hash, k.live, k.scopes, k.revoked_at is not null as "revoked!",
    coalesce(k.last_used_at > now() - interval '1 minute', false) as "recorded!"
from api_key k join company c on c.id = k.company
where k.prefix = $1
