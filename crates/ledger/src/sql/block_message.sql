-- Blocks the address that a message was sent to.
insert into block as b (address_hash, company, medium, kinds, source)
select address_hash, company, medium, $2, $3 from message where id = $1 and address_hash is not null and medium is not null
on conflict (address_hash) do update set kinds = b.kinds | excluded.kinds, changed_at = now(), source = excluded.source
