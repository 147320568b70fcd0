-- Deletes leases whose messages are all settled.
delete from lease where id = any($1::uuid[])
