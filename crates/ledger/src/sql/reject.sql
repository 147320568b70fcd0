-- Stores rejected jobs; a repeat only counts, in all and within its hour. A job that came as a test once stays a
-- test: its replay must not reach a customer.
insert into rejected_job as j (id, fingerprint, company, routing, source, message_key, body, body_bytes, body_sha256, problems, test)
select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::int8[],
    $9::bytea[], $10::jsonb[], $11::bool[])
on conflict (fingerprint) do update set times = j.times + 1, last_seen_at = now(), problems = excluded.problems,
    test = j.test or excluded.test,
    hour_times = case when j.hour_at > now() - interval '1 hour' then j.hour_times + 1 else 1 end,
    hour_at = case when j.hour_at > now() - interval '1 hour' then j.hour_at else now() end
