-- Responses whose requests are to be looked for again: one that was accepted in the same instant may have
-- missed them. Later and later, for as long as they are kept.
with due as (
    select key, response from awaited where look_at <= now() order by look_at limit $1 for update skip locked
),
gone as (
    delete from awaited w using due where w.key = any(array(select key from due)) and w.key = due.key and w.response = due.response and w.until <= now()
),
again as (
    update awaited w set looks = least(w.looks + 1, 30),
        look_at = now() + make_interval(secs => least(86400, power(2, w.looks)))
    from due where w.key = any(array(select key from due)) and w.key = due.key and w.response = due.response and w.until > now()
)
select s.key from due join response s on s.id = due.response
