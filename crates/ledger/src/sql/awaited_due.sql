-- Responses whose requests are to be looked for again: one that was accepted in the same instant may have
-- missed them. Later and later, for as long as they are kept.
with due as (
    select key, response from awaited where check_at <= now() order by check_at limit $1 for update skip locked
),
gone as (
    delete from awaited w using due where w.key = any(array(select key from due)) and w.key = due.key and w.response = due.response and w.until <= now()
),
again as (
    update awaited w set checks = least(w.checks + 1, 30),
        check_at = now() + make_interval(secs => least(86400, power(2, w.checks)))
    from due where w.key = any(array(select key from due)) and w.key = due.key and w.response = due.response and w.until > now()
)
select s.key from due join response s on s.id = due.response
