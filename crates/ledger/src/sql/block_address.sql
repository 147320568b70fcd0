-- Blocks an address for a company and medium; kinds add up.
insert into block as b (address_hash, company, medium, kinds, source, note) values ($1, $2, $3, $4, $5, $6)
on conflict (address_hash) do update set kinds = b.kinds | excluded.kinds, changed_at = now(), source = excluded.source, note = excluded.note
