-- The requests that service recoveries name, by our id or a former id, each with its original request.
select t.ordinal as "ordinal!", named.id as "named!",
    ((select max(m.state) from message m where m.id = named.id and m.state in (3, 4)) is not null
        or (select max(m.state) from message m where m.request = named.id and m.seq > 0 and m.state in (3, 4)) is not null
        or (select a.request from answer a where a.request = named.id) is not null) as "was_sent!",
    first.id as "original_request!", first.company, first.customer_custom_id, first.customer_name, first.customer_email,
    first.customer_phone, first.channel, first.brand, first.language, first.country, first.medium,
    (select count(*) from request r where r.original_request = first.id) as "recoveries!",
    (select count(*) from request r
        where r.original_request = first.id and (
            (select m.state from message m where m.id = r.id and m.state in (0, 1, 2)) is not null
            or (select max(m.state) from message m
                where m.request = r.id and m.seq > 0 and m.state in (0, 1, 2)) is not null)) as "open_recoveries!"
from unnest($1::uuid[], $2::uuid[]) with ordinality as t(id, former_id_hash, ordinal)
join request named on named.id = coalesce((select r.id from request r where r.id = t.id),
    (select r.id from request r where r.former_id_hash = t.former_id_hash))
join request first on first.id = coalesce(named.original_request, named.id) and first.source <> 4
