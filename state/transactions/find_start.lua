-- Return what is known before a StartTransaction is stored.
-- KEYS starts open reservations | ARGV fingerprint connector -> {start, pointer, {reservation, record, ...}}
-- `start` is the value of the fingerprint in `starts`, and `pointer` that of the connector in `open`, or empty.
return {redis.call('HGET', starts, fingerprint) or '', redis.call('HGET', open, connector) or '',
  redis.call('HGETALL', reservations)}
