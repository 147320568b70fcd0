-- Requests by company, account, medium, state and reason; alerts (source 4) excluded.
select c.slug, a.name as "account?", m.medium, m.state, m.reason, count(*) as "count!"
from request r join message m on m.id = r.id join company c on c.id = r.company
    left join account a on a.id = m.account
where r.source <> 4
group by c.slug, a.name, m.medium, m.state, m.reason
order by c.slug, m.medium, m.state, m.reason
