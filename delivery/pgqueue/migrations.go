package pgqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Migration is one step in the life of the tables.
type Migration struct {
	Version int
	SQL     string // several statements, for one transaction; it notes Version in the table "migrations"
}

// migrations are the steps, the first of them version 1. {s} stands for the schema. A step that was released stays as
// it is.
var migrations = []string{`
CREATE SCHEMA IF NOT EXISTS {s};

CREATE TABLE {s}.migrations (
	version int PRIMARY KEY,
	applied timestamptz NOT NULL DEFAULT now()
);

-- The calls that wait or are leased. held is null when a call can be leased; else nobody gets it before that time: it
-- is leased, or to be tried again later. receipt grows with every lease and every settlement.
CREATE TABLE {s}.calls (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	receipt bigint NOT NULL DEFAULT 0,
	held timestamptz,
	submitted bigint NOT NULL, -- nanoseconds since 1970; 0 for none
	expires bigint NOT NULL,
	key uuid NOT NULL,
	grp uuid NOT NULL,
	attempts int NOT NULL DEFAULT 0,
	begun boolean NOT NULL DEFAULT false,
	lane text COLLATE "C" NOT NULL,
	first_error text NOT NULL DEFAULT '',
	last_error text NOT NULL DEFAULT '',
	body bytea NOT NULL
) WITH (
	autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
	autovacuum_analyze_scale_factor = 0.1, autovacuum_analyze_threshold = 5000
);
CREATE INDEX calls_ready ON {s}.calls (lane, id) WHERE held IS NULL;
CREATE INDEX calls_held ON {s}.calls (held) WHERE held IS NOT NULL;

-- The keys that were accepted. token tells a second try of the same Put from another Put; tries counts them.
CREATE TABLE {s}.keys (
	key uuid PRIMARY KEY,
	token bigint NOT NULL,
	expires timestamptz NOT NULL,
	tries smallint NOT NULL DEFAULT 0
) WITH (
	autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX keys_expires ON {s}.keys (expires);

CREATE TABLE {s}.buried (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	buried_at timestamptz NOT NULL,
	submitted bigint NOT NULL,
	expires bigint NOT NULL,
	key uuid NOT NULL,
	grp uuid NOT NULL,
	attempts int NOT NULL,
	reason text NOT NULL,
	lane text COLLATE "C" NOT NULL,
	first_error text NOT NULL,
	last_error text NOT NULL,
	body bytea NOT NULL
);

-- shown is what the caller said, in nanoseconds by its own clock; until is the same by the clock of this server.
CREATE TABLE {s}.pauses (
	lane text COLLATE "C" NOT NULL,
	manual boolean NOT NULL,
	until timestamptz NOT NULL,
	shown bigint NOT NULL,
	note text NOT NULL,
	PRIMARY KEY (lane, manual)
);

-- The figures, in slots so that nobody waits for another's. taken counts the buried calls that were taken away.
CREATE TABLE {s}.counts (
	slot int PRIMARY KEY,
	stored bigint NOT NULL DEFAULT 0,
	duplicates bigint NOT NULL DEFAULT 0,
	delivered bigint NOT NULL DEFAULT 0,
	buried bigint NOT NULL DEFAULT 0,
	dropped bigint NOT NULL DEFAULT 0,
	taken bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
INSERT INTO {s}.counts (slot) SELECT generate_series(0, 63);

-- What transactions of the callers add to the figures: a slot would be locked for as long as they last.
CREATE TABLE {s}.tallies (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	stored int NOT NULL,
	duplicates int NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);

-- When somebody last looked, by the clock of this server: that it was set back is seen by this.
CREATE TABLE {s}.clock (one boolean PRIMARY KEY DEFAULT true CHECK (one), seen timestamptz NOT NULL)
WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
INSERT INTO {s}.clock (seen) VALUES (clock_timestamp());

INSERT INTO {s}.migrations (version) VALUES (1);
`}

// slots is how many rows the table counts has.
const slots = 64

// Migrations returns the steps that make the tables in a schema, in their order, for those who run migrations
// themselves. [Open] runs those that are missing, unless [WithoutMigration] says otherwise.
func Migrations(schema string) ([]Migration, error) {
	if err := checkSchema("Migrations", schema); err != nil {
		return nil, err
	}
	list := make([]Migration, len(migrations))
	for i, text := range migrations {
		list[i] = Migration{Version: i + 1, SQL: inSchema(schema, text)}
	}
	return list, nil
}

// inSchema names the schema in a statement.
func inSchema(schema, text string) string {
	return strings.ReplaceAll(text, "{s}", pgx.Identifier{schema}.Sanitize())
}

// setUp sees to it that the tables are there, as they should be.
func (q *Queue) setUp(ctx context.Context) error {
	latest := len(migrations)
	version, err := q.version(ctx, q.pool)
	switch {
	case err != nil:
		return described(err)
	case version == latest:
		return nil
	case version > latest:
		return fmt.Errorf("pgqueue: %w: they have version %d, made by a newer program; this one knows %d",
			ErrSchema, version, latest)
	case q.asIs:
		return fmt.Errorf("pgqueue: %w: they have version %d, needed is %d", ErrSchema, version, latest)
	}
	list, err := Migrations(q.schema)
	if err != nil {
		return err
	}
	// Who comes second waits, and finds it done. A level above would look at the time before the wait.
	return described(pgx.BeginTxFunc(ctx, q.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1::bigint)`, q.lock); err != nil {
			return err
		}
		version, err := q.version(ctx, tx)
		if err != nil {
			return err
		}
		for _, m := range list {
			if m.Version <= version {
				continue
			}
			text := m.SQL
			if there, err := q.schemaThere(ctx, tx); err != nil {
				return err
			} else if there { // making it would need a right that only whoever made it had
				text = strings.Replace(text, inSchema(q.schema, "CREATE SCHEMA IF NOT EXISTS {s};"), "", 1)
			}
			if _, err := tx.Conn().PgConn().Exec(ctx, text).ReadAll(); err != nil {
				return fmt.Errorf("migration to version %d: %w", m.Version, err)
			}
		}
		return nil
	}))
}

func (q *Queue) schemaThere(ctx context.Context, e queryer) (there bool, err error) {
	const exists = `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1::text)`
	err = e.QueryRow(ctx, exists, q.schema).Scan(&there)
	return there, err
}

// version is the version of the tables; 0 when there are none.
func (q *Queue) version(ctx context.Context, e queryer) (version int, err error) {
	there := false
	err = e.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1::text AND c.relname = 'migrations')`, q.schema).Scan(&there)
	if err != nil || !there {
		return 0, err
	}
	err = e.QueryRow(ctx, inSchema(q.schema, `SELECT coalesce(max(version), 0) FROM {s}.migrations`)).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return version, err
}

// queryer is a pool, a connection or a transaction.
type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
