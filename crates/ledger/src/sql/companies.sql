-- Every company with its policy in force and its accounts.
select c.id, c.version, p.document,
    coalesce((select array_agg(a.id order by a.id) from account a where a.company = c.id and not a.retired), '{}') as "account_ids!",
    coalesce((select array_agg(a.name order by a.id) from account a where a.company = c.id and not a.retired), '{}') as "account_names!"
from company c join policy p on p.company = c.id and p.version = c.version
order by c.slug
