-- One row of `now` and of what stands out: a job that appears in no row has no earlier twin, no block,
-- nobody who holds its reservations, and a known, approved team member. Scalar subqueries on one whole
-- unique key each: exists() would be hashed over the whole table on a young database.
select clock.now as "now!", x.ordinal as "ordinal?", x.seen as "seen?", x.former_taken as "former_taken?",
    x.email_block as "email_block?", x.phone_block as "phone_block?",
    x.holder_1 as "holder_1?", x.asked_1 as "asked_1?",
    x.holder_2 as "holder_2?", x.asked_2 as "asked_2?",
    x.holder_3 as "holder_3?", x.asked_3 as "asked_3?",
    x.member_by_email as "member_by_email?", x.member_by_custom_id as "member_by_custom_id?",
    x.approved_by_email as "approved_by_email?", x.approved_by_custom_id as "approved_by_custom_id?"
from (select now() as now) clock
left join lateral (
    select y.*,
        (select c.request from contact c where c.slot = y.slot_1) as holder_1,
        (select c.request from contact c where c.slot = y.slot_2) as holder_2,
        (select c.request from contact c where c.slot = y.slot_3) as holder_3
    from (
        select t.ordinal, t.slot_1, t.slot_2, t.slot_3, t.member_email, t.member_custom_id,
            (select r.id from request r where r.idem = t.idem) as seen,
            (select r.id from request r where r.former = t.former) as former_taken,
            (select b.kinds from block b where b.addr = t.email_addr) as email_block,
            (select b.kinds from block b where b.addr = t.phone_addr) as phone_block,
            (select c.asked_at from contact c where c.slot = t.slot_1) as asked_1,
            (select c.asked_at from contact c where c.slot = t.slot_2) as asked_2,
            (select c.asked_at from contact c where c.slot = t.slot_3) as asked_3,
            (select m.id from member m where m.email_key = t.member_email) as member_by_email,
            (select m.id from member m where m.custom_key = t.member_custom_id) as member_by_custom_id,
            (select m.approved from member m where m.email_key = t.member_email) as approved_by_email,
            (select m.approved from member m where m.custom_key = t.member_custom_id) as approved_by_custom_id
        from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::uuid[])
            with ordinality as t(idem, former, email_addr, phone_addr, slot_1, slot_2, slot_3,
                member_email, member_custom_id, ordinal)
    ) y
    where y.seen is not null or y.former_taken is not null
        or y.email_block is not null or y.phone_block is not null
        or y.asked_1 is not null or y.asked_2 is not null or y.asked_3 is not null
        or (y.member_email is not null and not coalesce(y.approved_by_email, false))
        or (y.member_custom_id is not null and not coalesce(y.approved_by_custom_id, false))
        or y.member_by_email <> y.member_by_custom_id
) x on true
