-- The requests that service recoveries name, by our id or a former id, each with its root.
select t.ordinal as "ordinal!", named.id as "named!",
    ((select max(m.state) from message m where m.id = named.id and m.state in (3, 4)) is not null
        or (select max(m.state) from message m where m.request = named.id and m.seq > 0 and m.state in (3, 4)) is not null
        or (select a.request from answer a where a.request = named.id) is not null) as "was_sent!",
    root.id as "root!", root.company, root.customer_custom_id, root.customer_name, root.customer_email,
    root.customer_phone, root.channel, root.brand, root.language, root.country, root.medium,
    (select count(*) from request r where r.root = root.id) as "recoveries!",
    (select count(*) from request r
        where r.root = root.id and (
            (select m.state from message m where m.id = r.id and m.state in (0, 1, 2)) is not null
            or (select max(m.state) from message m
                where m.request = r.id and m.seq > 0 and m.state in (0, 1, 2)) is not null)) as "open_recoveries!"
from unnest($1::uuid[], $2::uuid[]) with ordinality as t(id, former, ordinal)
join request named on named.id = coalesce((select r.id from request r where r.id = t.id),
    (select r.id from request r where r.former = t.former))
join request root on root.id = coalesce(named.root, named.id) and root.source <> 4
