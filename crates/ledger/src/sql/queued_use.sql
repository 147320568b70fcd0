-- Accounts and brands that queued messages still need.
select a.name as "account?", r.brand, count(*) as "queued!"
from message m join request r on r.id = m.request left join account a on a.id = m.account
where m.company = $1 and m.state in (0, 1, 2)
group by a.name, r.brand
