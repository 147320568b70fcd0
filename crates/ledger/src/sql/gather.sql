-- The database's time, and one row for each job for which a look-up found something: a job without a row has no
-- duplicate, no block, no holder of its reservations, and its team member is approved. Each scalar subquery reads
-- one unique key: exists() would be hashed over the whole table in a young database. `case` skips keys that the job
-- does not have, and the outer subqueries run only for rows that pass the filter.
select clock.now as "now!", clock.has_awaited as "has_awaited!", x.ordinal as "ordinal?", x.seen as "seen?", x.former_taken as "former_taken?",
    x.email_block as "email_block?", x.phone_block as "phone_block?",
    x.holder_1 as "holder_1?", x.asked_1 as "asked_1?",
    x.holder_2 as "holder_2?", x.asked_2 as "asked_2?",
    x.holder_3 as "holder_3?", x.asked_3 as "asked_3?",
    x.member_by_email as "member_by_email?", x.member_by_custom_id as "member_by_custom_id?",
    x.approved_by_email as "approved_by_email?", x.approved_by_custom_id as "approved_by_custom_id?"
from (select now() as now,
    -- Usually no response awaits a request, and the caller asks for no keys.
    (select w.key from awaited w where w.key >= '00000000-0000-0000-0000-000000000000' order by w.key limit 1)
        is not null as has_awaited) clock
left join lateral (
    select y.*,
        (select c.request from reservation c where c.key = y.key_1) as holder_1,
        (select c.request from reservation c where c.key = y.key_2) as holder_2,
        (select c.request from reservation c where c.key = y.key_3) as holder_3,
        (select m.id from member m where m.email_key = y.member_email) as member_by_email,
        (select m.id from member m where m.custom_key = y.member_custom_id) as member_by_custom_id,
        (select m.approved from member m where m.email_key = y.member_email) as approved_by_email,
        (select m.approved from member m where m.custom_key = y.member_custom_id) as approved_by_custom_id
    from (
        select t.ordinal, t.key_1, t.key_2, t.key_3, t.member_email, t.member_custom_id,
            (select r.id from request r where r.idempotency_hash = t.idempotency_hash) as seen,
            case when t.former_id_hash is not null
                then (select r.id from request r where r.former_id_hash = t.former_id_hash) end as former_taken,
            case when t.email_hash is not null
                then (select b.kinds from block b where b.address_hash = t.email_hash) end as email_block,
            case when t.phone_hash is not null
                then (select b.kinds from block b where b.address_hash = t.phone_hash) end as phone_block,
            case when t.key_1 is not null
                then (select c.asked_at from reservation c where c.key = t.key_1) end as asked_1,
            case when t.key_2 is not null
                then (select c.asked_at from reservation c where c.key = t.key_2) end as asked_2,
            case when t.key_3 is not null
                then (select c.asked_at from reservation c where c.key = t.key_3) end as asked_3,
            case when t.member_email is not null
                then (select m.id from member m where m.email_key = t.member_email and m.approved)
                end as good_by_email,
            case when t.member_custom_id is not null
                then (select m.id from member m where m.custom_key = t.member_custom_id and m.approved)
                end as good_by_custom_id
        from (
            select generate_subscripts($1::uuid[], 1) as ordinal, unnest($1::uuid[]) as idempotency_hash, unnest($2::uuid[]) as former_id_hash,
                unnest($3::uuid[]) as email_hash, unnest($4::uuid[]) as phone_hash, unnest($5::uuid[]) as key_1,
                unnest($6::uuid[]) as key_2, unnest($7::uuid[]) as key_3, unnest($8::uuid[]) as member_email,
                unnest($9::uuid[]) as member_custom_id
        ) t
        offset 0
    ) y
    where y.seen is not null or y.former_taken is not null
        or y.email_block is not null or y.phone_block is not null
        or y.asked_1 is not null or y.asked_2 is not null or y.asked_3 is not null
        or (y.member_email is not null and y.good_by_email is null)
        or (y.member_custom_id is not null and y.good_by_custom_id is null)
        or y.good_by_email <> y.good_by_custom_id
) x on true
