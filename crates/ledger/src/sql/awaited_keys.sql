-- Which of these keys some response awaits.
select u.key as "key!" from unnest($1::uuid[]) u(key)
where (select w.response from awaited w where w.key = u.key limit 1) is not null
