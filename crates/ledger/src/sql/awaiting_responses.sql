-- Keys of the responses that await these keys.
select s.key from unnest($1::uuid[]) u(key)
join awaited w on w.key = u.key
join response s on s.id = w.response
