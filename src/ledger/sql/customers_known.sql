-- The customers who have these identities, each with the key by which it was found.
select i.key, c.id, c.name, c.email, c.phone
from unnest($1::uuid[]) as wanted(key) join identities i on i.key = wanted.key join customers c on c.id = i.customer
