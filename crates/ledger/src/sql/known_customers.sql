-- Customers with these identities, each with the key that found it.
select i.key, c.id, c.name, c.email, c.phone
from unnest($1::uuid[]) as wanted(key),
    lateral (select i.key, i.customer from identities i where i.key = wanted.key offset 0) i,
    lateral (select c.id, c.name, c.email, c.phone from customers c where c.id = i.customer offset 0) c
