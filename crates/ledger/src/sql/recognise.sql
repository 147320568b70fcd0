-- Finds the customer by these identities, strongest first, or creates one. New facts complete and correct the stored
-- ones. An identity that a concurrent transaction took violates the unique key, and the caller repeats.
with given as (
    select t.key, t.kind, t.place from unnest($3::uuid[], $4::int2[]) with ordinality as t(key, kind, place)
),
found as (
    select i.customer as id from given g,
        lateral (select i.customer from identities i where i.key = g.key offset 0) i
    order by g.place limit 1
),
made as (
    insert into customers (id, company, custom_id, name, email, phone)
    select $1, $2, $5, $6, $7, $8 where not exists (select 1 from found)
    returning id, name, email, phone
),
corrected as (
    update customers c set custom_id = coalesce($5, c.custom_id), name = coalesce($6, c.name),
        email = coalesce($7, c.email), phone = coalesce($8, c.phone), changed_at = now()
    from found f where c.id = f.id
    returning c.id, c.name, c.email, c.phone
),
customer as (select * from made union all select * from corrected),
linked as (
    insert into identities (key, customer, kind)
    select g.key, c.id, g.kind from given g, customer c
    where (select i.key from identities i where i.key = g.key) is null
)
select id as "id!", name, email, phone from customer
