-- A job that was taken says as which request.
update rejected_job set replayed_at = now(), replayed_as = $2 where id = $1
