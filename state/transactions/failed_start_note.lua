-- Note a transaction whose start was not answered with Accepted.
-- KEYS failed_starts | ARGV id at_ms -> {'noted'}
-- WITH failed_starts
note_failed_start(failed_starts, id, at_ms)
return {'noted'}
