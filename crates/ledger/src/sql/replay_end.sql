-- Records that a rejected job was replayed, and as which request.
update rejected_job set replayed_at = now(), replayed_as = $2 where id = $1
