-- Leases of which every member is settled.
delete from lease where id = any($1::uuid[])
