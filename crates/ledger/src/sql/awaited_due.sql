-- Awaiting responses that are due for another search: a request accepted at the same instant can have missed them. The
-- interval doubles (1 s to 1 day) until the row's end.
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
