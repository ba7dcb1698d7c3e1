package pgqueue

// statements are the SQL of a queue, with its schema named. Times are the server's: now() is when the transaction
// began, and can be looked for in an index.
type statements struct {
	put, putTx                        string
	promote, lease, next              string
	done, begin, release, retry, bury string
	pause, unpause, lanes             string
	buried, unbury                    string
	counts                            string
	sweepKeys, sweepAge, sweepLimit   string
	sweepPauses, sweepTallies         string
	setBack                           string
}

// A key that is there and has not expired yields no row, unless it is from an earlier try of the same Put: then tries
// is not zero.
const acceptKey = `
	ON CONFLICT (key) DO UPDATE SET
		tries = CASE WHEN k.expires <= clock_timestamp() THEN 0 ELSE k.tries + 1 END,
		expires = CASE WHEN k.expires <= clock_timestamp() THEN excluded.expires ELSE k.expires END,
		token = excluded.token
	WHERE k.expires <= clock_timestamp() OR k.token = excluded.token
	RETURNING k.key, k.tries`

// blocked finds the lane of the highest pause or skipped lane that n.lane is in, or null.
const blocked = `(SELECT min(CASE WHEN a.lane IN (SELECT b.lane FROM blocked b) THEN a.lane END) FROM (
			SELECT array_to_string(s.p[1:i], '/') COLLATE "C" AS lane
			FROM (SELECT string_to_array(n.lane, '/') AS p) s, generate_series(1, cardinality(s.p)) i) a)`

// columns of an item, in calls and buried.
const columns = `key, grp, lane, body, submitted, expires, attempts, first_error, last_error`

var templates = statements{
	// In the order of the keys, so that two of these never wait for each other.
	put: `
WITH input AS MATERIALIZED (
	SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::uuid[], $5::bytea[], $6::bigint[], $7::bigint[])
	WITH ORDINALITY AS i (key, token, lane, grp, body, submitted, expires, n)
), accepted AS (
	INSERT INTO {s}.keys AS k (key, token, expires)
	SELECT key, token, clock_timestamp() + $8::bigint * interval '1 microsecond' FROM input ORDER BY key` + acceptKey + `
), stored AS (
	INSERT INTO {s}.calls (key, grp, lane, body, submitted, expires)
	SELECT i.key, i.grp, i.lane, i.body, i.submitted, i.expires FROM input i JOIN accepted a ON a.key = i.key
	WHERE a.tries = 0 ORDER BY i.n
	RETURNING 1
), counted AS (
	UPDATE {s}.counts SET stored = stored + (SELECT count(*) FROM stored),
		duplicates = duplicates + (SELECT count(*) FROM input) - (SELECT count(*) FROM accepted)
	WHERE slot = $9::int
)
SELECT key FROM accepted`,

	putTx: `
WITH accepted AS (
	INSERT INTO {s}.keys AS k (key, token, expires)
	VALUES ($1::uuid, $2::bigint, clock_timestamp() + $8::bigint * interval '1 microsecond')` + acceptKey + `
), stored AS (
	INSERT INTO {s}.calls (key, lane, grp, body, submitted, expires)
	SELECT key, $3::text, $4::uuid, $5::bytea, $6::bigint, $7::bigint FROM accepted
	RETURNING 1
), counted AS (
	INSERT INTO {s}.tallies (stored, duplicates)
	SELECT count(*), 1 - count(*) FROM stored
	RETURNING 1
)
SELECT (SELECT count(*) FROM stored), CASE WHEN $9::boolean THEN pg_notify($10::text, '')::text END FROM counted`,

	// What is due again is ready like any other.
	promote: `
UPDATE {s}.calls SET held = NULL, receipt = receipt + 1 WHERE id = ANY (ARRAY(
	SELECT id FROM {s}.calls WHERE held <= now() ORDER BY held LIMIT 1000 FOR UPDATE SKIP LOCKED))`,

	// hop goes from lane to lane in the index, over what a blocked lane holds below it. '0' is what follows '/'. Each of
	// the next $3 lanes gives an equal part of what is asked for.
	lease: `
WITH RECURSIVE blocked AS MATERIALIZED (
	SELECT lane FROM {s}.pauses WHERE until > now()
	UNION
	SELECT unnest($2::text[])
), hop AS (
	SELECT NULL::text COLLATE "C" AS lane, $1::text COLLATE "C" AS upto, false AS open
	UNION ALL
	SELECT f.lane,
		CASE WHEN f.blocker IS NULL OR f.blocker = f.lane THEN f.lane || chr(1) ELSE f.blocker || '0' END,
		f.blocker IS NULL
	FROM (
		SELECT n.lane, ` + blocked + ` AS blocker
		FROM hop h CROSS JOIN LATERAL (
			SELECT c.lane FROM {s}.calls c WHERE c.held IS NULL AND c.lane >= h.upto ORDER BY c.lane, c.id LIMIT 1) n
	) f
), lanes AS MATERIALIZED (
	SELECT lane FROM hop WHERE open LIMIT $3::int
), picked AS MATERIALIZED (
	SELECT p.id, p.size FROM lanes l CROSS JOIN LATERAL (
		SELECT c.id, octet_length(c.body) AS size FROM {s}.calls c
		WHERE c.held IS NULL AND c.lane = l.lane ORDER BY c.lane, c.id
		LIMIT (SELECT ($4::bigint + count(*) - 1) / count(*) FROM lanes)
		FOR UPDATE OF c SKIP LOCKED) p
), taken AS MATERIALIZED (
	SELECT t.id FROM (
		SELECT id, sum(size) OVER w - size AS before, row_number() OVER w AS n
		FROM picked WINDOW w AS (ROWS UNBOUNDED PRECEDING)) t
	WHERE t.before < $5::bigint AND t.n <= $4::bigint
), leased AS (
	UPDATE {s}.calls SET held = clock_timestamp() + $6::bigint * interval '1 microsecond', receipt = receipt + 1
	WHERE id = ANY (ARRAY(SELECT id FROM taken))
	RETURNING *
)
SELECT l.lane, c.id, c.receipt, c.begun, c.key, c.grp, c.body, c.submitted, c.expires, c.attempts, c.first_error,
	c.last_error
FROM (SELECT lane, row_number() OVER () AS turn FROM lanes) l LEFT JOIN leased c ON c.lane = l.lane
ORDER BY l.turn, c.id`,

	next: `
SELECT extract(epoch FROM least(
	(SELECT held FROM {s}.calls WHERE held IS NOT NULL ORDER BY held LIMIT 1),
	(SELECT min(until) FROM {s}.pauses WHERE until > now())) - clock_timestamp())::float8`,

	done: `
WITH gone AS (
	DELETE FROM {s}.calls WHERE id = ANY ($1::bigint[]) RETURNING 1
), counted AS (
	UPDATE {s}.counts SET delivered = delivered + (SELECT count(*) FROM gone) WHERE slot = $2::int
)
SELECT count(*) FROM gone`,

	begin: `
UPDATE {s}.calls c SET begun = true FROM unnest($1::bigint[], $2::bigint[]) AS i (id, receipt)
WHERE c.id = i.id AND c.receipt = i.receipt AND c.held > clock_timestamp()`,

	release: `
UPDATE {s}.calls c SET held = NULL, begun = i.begun, receipt = c.receipt + 1
FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS i (id, receipt, begun)
WHERE c.id = i.id AND c.receipt = i.receipt AND c.held > clock_timestamp()`,

	retry: `
UPDATE {s}.calls c SET
	held = CASE WHEN i.delay > 0 THEN clock_timestamp() + i.delay * interval '1 microsecond' END,
	begun = false, receipt = c.receipt + 1, attempts = c.attempts + CASE i.error WHEN '' THEN 0 ELSE 1 END,
	first_error = CASE c.first_error WHEN '' THEN i.error ELSE c.first_error END,
	last_error = CASE i.error WHEN '' THEN c.last_error ELSE i.error END,
	body = coalesce(i.body, c.body)
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[]) AS i (id, receipt, delay, error, body)
WHERE c.id = i.id AND c.receipt = i.receipt AND c.held > clock_timestamp()`,

	bury: `
WITH gone AS (
	DELETE FROM {s}.calls c
	USING unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[])
		WITH ORDINALITY AS i (id, receipt, reason, error, rest, n)
	WHERE c.id = i.id AND c.receipt = i.receipt AND c.held > clock_timestamp()
	RETURNING c.*, i.reason, i.error, i.rest, i.n
), aside AS (
	INSERT INTO {s}.buried (reason, buried_at, ` + columns + `)
	SELECT reason, clock_timestamp(), key, grp, lane, coalesce(rest, body), submitted, expires,
		attempts + CASE error WHEN '' THEN 0 ELSE 1 END, CASE first_error WHEN '' THEN error ELSE first_error END,
		CASE error WHEN '' THEN last_error ELSE error END
	FROM gone ORDER BY n
), counted AS (
	UPDATE {s}.counts SET buried = buried + (SELECT count(*) FROM gone) WHERE slot = $6::int
)
SELECT count(*) FROM gone`,

	pause: `
INSERT INTO {s}.pauses (lane, manual, until, shown, note)
VALUES ($1::text, $2::boolean, clock_timestamp() + $3::bigint * interval '1 microsecond', $4::bigint, $5::text)
ON CONFLICT (lane, manual) DO UPDATE SET until = excluded.until, shown = excluded.shown, note = excluded.note`,

	unpause: `DELETE FROM {s}.pauses WHERE lane = $1::text AND manual = $2::boolean`,

	lanes: `
SELECT lane, coalesce(c.pending, 0), c.oldest, p.shown, p.note, p.manual
FROM (SELECT lane, count(*) AS pending, min(submitted) AS oldest FROM {s}.calls GROUP BY lane) c
FULL JOIN (
	SELECT DISTINCT ON (lane) lane, shown, note, manual FROM {s}.pauses WHERE until > now() ORDER BY lane, until DESC
) p USING (lane)
ORDER BY lane`,

	buried: `
SELECT id, reason, buried_at, ` + columns + ` FROM {s}.buried WHERE id >= $1::bigint ORDER BY id LIMIT $2::bigint`,

	unbury: `
WITH input AS MATERIALIZED (
	SELECT * FROM unnest($1::bigint[], $2::boolean[], $3::uuid[], $4::text[], $5::uuid[], $6::bytea[], $7::bigint[],
		$8::bigint[]) WITH ORDINALITY AS i (id, again, key, lane, grp, body, submitted, expires, n)
), gone AS (
	DELETE FROM {s}.buried WHERE id = ANY ($1::bigint[]) RETURNING id
), stored AS (
	INSERT INTO {s}.calls (key, grp, lane, body, submitted, expires)
	SELECT i.key, i.grp, i.lane, i.body, i.submitted, i.expires FROM input i JOIN gone g ON g.id = i.id
	WHERE i.again ORDER BY i.n
	RETURNING 1
), counted AS (
	UPDATE {s}.counts SET taken = taken + (SELECT count(*) FROM gone), stored = stored + (SELECT count(*) FROM stored)
	WHERE slot = $9::int
)
SELECT count(*) FROM gone`,

	counts: `
SELECT c.stored + t.stored, c.duplicates + t.duplicates, c.delivered, c.buried, c.dropped, c.taken,
	(SELECT count(DISTINCT lane) FROM {s}.pauses WHERE until > now()),
	(SELECT CASE submitted WHEN 0 THEN extract(epoch FROM now())::bigint * 1000000000 ELSE submitted END
		FROM {s}.calls ORDER BY id LIMIT 1)
FROM (SELECT sum(stored)::bigint AS stored, sum(duplicates)::bigint AS duplicates, sum(delivered)::bigint AS delivered,
		sum(buried)::bigint AS buried, sum(dropped)::bigint AS dropped, sum(taken)::bigint AS taken FROM {s}.counts) c,
	(SELECT coalesce(sum(stored), 0) AS stored, coalesce(sum(duplicates), 0) AS duplicates FROM {s}.tallies) t`,

	// When the clock was set back, what is due after a while is due so much earlier.
	setBack: `
WITH back AS MATERIALIZED (
	SELECT seen - clock_timestamp() AS by FROM {s}.clock WHERE seen > clock_timestamp() + interval '1 second'
), calls AS (
	UPDATE {s}.calls SET held = held - back.by FROM back WHERE held IS NOT NULL
), pauses AS (
	UPDATE {s}.pauses SET until = until - back.by FROM back
), keys AS (
	UPDATE {s}.keys SET expires = expires - back.by FROM back
)
UPDATE {s}.clock SET seen = clock_timestamp()`,

	sweepKeys: `
DELETE FROM {s}.keys WHERE key = ANY (ARRAY(
	SELECT key FROM {s}.keys WHERE expires <= now() ORDER BY expires LIMIT $1::int FOR UPDATE SKIP LOCKED))`,

	sweepAge: `
WITH gone AS (
	DELETE FROM {s}.buried WHERE id = ANY (ARRAY(
		SELECT id FROM (SELECT id, buried_at FROM {s}.buried ORDER BY id LIMIT $1::int) b
		WHERE buried_at <= now() - $2::bigint * interval '1 microsecond'))
	RETURNING 1
)
UPDATE {s}.counts SET dropped = dropped + (SELECT count(*) FROM gone)
WHERE slot = $3::int AND EXISTS (SELECT FROM gone) RETURNING (SELECT count(*) FROM gone)`,

	sweepLimit: `
WITH gone AS (
	DELETE FROM {s}.buried WHERE id = ANY (ARRAY(
		SELECT id FROM {s}.buried ORDER BY id
		LIMIT (SELECT greatest(0, least($1::int, sum(buried - dropped - taken) - $2::bigint))::bigint FROM {s}.counts)))
	RETURNING 1
)
UPDATE {s}.counts SET dropped = dropped + (SELECT count(*) FROM gone)
WHERE slot = $3::int AND EXISTS (SELECT FROM gone) RETURNING (SELECT count(*) FROM gone)`,

	sweepPauses: `DELETE FROM {s}.pauses WHERE until <= now() - interval '1 minute'`,

	sweepTallies: `
WITH gone AS (
	DELETE FROM {s}.tallies WHERE id = ANY (ARRAY(
		SELECT id FROM {s}.tallies ORDER BY id LIMIT $1::int FOR UPDATE SKIP LOCKED))
	RETURNING stored, duplicates
)
UPDATE {s}.counts SET stored = counts.stored + g.stored, duplicates = counts.duplicates + g.duplicates
FROM (SELECT sum(stored) AS stored, sum(duplicates) AS duplicates, count(*) AS n FROM gone) g
WHERE slot = $2::int AND g.n > 0 RETURNING g.n`,
}

// statementsFor names a schema in the statements.
func statementsFor(schema string) statements {
	s := templates
	for _, text := range []*string{
		&s.put, &s.putTx, &s.promote, &s.lease, &s.next, &s.done, &s.begin, &s.release, &s.retry, &s.bury, &s.pause,
		&s.unpause, &s.lanes, &s.buried, &s.unbury, &s.counts, &s.sweepKeys, &s.sweepAge, &s.sweepLimit, &s.sweepPauses,
		&s.sweepTallies, &s.setBack,
	} {
		*text = inSchema(schema, *text)
	}
	return s
}
