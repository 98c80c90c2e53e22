-- Who may do what in the database, once more and for good (docs/decisions/0025-database-logins.md).

-- Whoever waits for a table of a read model for longer holds up its readers: better to be told, and to try again later.
SET LOCAL lock_timeout = '10s';

-- Every login has to be able to say that the schema is too old for its program. Names and digests of files that are
-- published anyway are no secret.
GRANT USAGE ON SCHEMA schema_migration TO PUBLIC;
GRANT SELECT ON schema_migration.applied TO PUBLIC;

-- What is made from here on is nobody's unless it is given to somebody; PostgreSQL lets everybody execute new functions.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA log, keys, audit, projection, library FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.position_before TO reprise_app, reprise_projector;
-- Only `log.append` calls it, with the rights of its owner.
REVOKE EXECUTE ON FUNCTION log.append_each FROM reprise_app;

ALTER FUNCTION log.refuse_change SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION audit.refuse_change SET search_path = pg_catalog, pg_temp;

-- A trigger function can be put on any table by whoever owns that table and may execute the function, and then finds in
-- NEW whatever they wrote there. So this one looks where it is.
CREATE OR REPLACE FUNCTION keys.destroy() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_RELID <> 'log.event'::regclass OR TG_OP <> 'INSERT' OR TG_WHEN <> 'AFTER' OR TG_LEVEL <> 'ROW'
       OR NEW.topic <> 'user.erased' THEN
        RAISE EXCEPTION 'only the fact of an erasure destroys a key' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO keys.subject_key (subject_id) VALUES (NEW.stream_id)
    ON CONFLICT (subject_id) DO UPDATE SET wrapped = NULL, master_id = NULL;
    INSERT INTO keys.erasure (subject_id, "position", recorded_at)
    VALUES (NEW.stream_id, NEW."position", NEW.recorded_at)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

-- The tables of read models become the schema's owner's: who owns a table can have whoever reads it run code (policies,
-- views, rules, functions in indexes and defaults). The projector has them made by the functions below, which make nothing
-- but tables of plain columns, and may change rows. Nothing that it could have left there comes along.
DO $$
DECLARE
    foreign_thing text;
    model         regclass;
BEGIN
    SELECT t.thing INTO foreign_thing FROM (
        SELECT c.oid::regclass::text AS thing FROM pg_catalog.pg_class c
        WHERE c.relowner = 'reprise_projector'::regrole
          AND (c.relkind NOT IN ('r', 'i', 't') OR c.relrowsecurity
               OR EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid)
               OR EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid)
               OR EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid)
               OR EXISTS (SELECT FROM pg_catalog.pg_attrdef d WHERE d.adrelid = c.oid)
               OR EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent))
               OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype NOT IN ('p', 'n'))
               OR EXISTS (SELECT FROM pg_catalog.pg_index x
                          WHERE x.indexrelid = c.oid AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL))
               OR EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
                          WHERE a.attrelid = c.oid AND y.typnamespace <> 'pg_catalog'::regnamespace))
        UNION ALL
        SELECT f.oid::regprocedure::text FROM pg_catalog.pg_proc f WHERE f.proowner = 'reprise_projector'::regrole
        UNION ALL
        SELECT o.oid::regoperator::text FROM pg_catalog.pg_operator o WHERE o.oprowner = 'reprise_projector'::regrole
    ) t LIMIT 1;
    IF foreign_thing IS NOT NULL THEN
        RAISE EXCEPTION '% is not what Reprise makes: find out who made it, and drop it', foreign_thing;
    END IF;
    FOR model IN SELECT c.oid::regclass FROM pg_catalog.pg_class c
                 WHERE c.relowner = 'reprise_projector'::regrole AND c.relkind = 'r' LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s OWNER TO CURRENT_USER', model);
        EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM reprise_projector, reprise_app', model);
        EXECUTE pg_catalog.format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO reprise_projector', model);
        EXECUTE pg_catalog.format('GRANT SELECT ON %s TO reprise_app', model);
    END LOOP;
END $$;

REVOKE CREATE ON SCHEMA read_model FROM reprise_projector;
ALTER DEFAULT PRIVILEGES FOR ROLE reprise_projector IN SCHEMA read_model REVOKE SELECT ON TABLES FROM reprise_app;

-- An empty table in read_model. A kind of column that is missing here needs a migration.
CREATE FUNCTION projection.create_table(
    table_name       text,
    column_names     text[],
    column_types     text[],
    is_required      boolean[],
    fillfactor       integer
) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known      CONSTANT text[] := ARRAY[
        'uuid', 'text COLLATE "C"', 'bigint', 'boolean', 'timestamptz', 'date', 'uuid[]'];
    definition text;
BEGIN
    IF NOT column_types <@ known THEN
        RAISE EXCEPTION 'a column of a read model is one of %, not %', known, column_types
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT string_agg(
        format('%I %s%s', c.name, c.type, CASE WHEN c.is_required THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY c.place)
    INTO definition
    FROM unnest(column_names, column_types, is_required) WITH ORDINALITY AS c (name, type, is_required, place);
    EXECUTE format('CREATE TABLE read_model.%I (%s) WITH (fillfactor = %s)', table_name, definition, fillfactor);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON read_model.%I TO reprise_projector', table_name);
    EXECUTE format('GRANT SELECT ON read_model.%I TO reprise_app', table_name);
END $$;

CREATE FUNCTION projection.add_primary_key(table_name text, column_names text[]) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE read_model.%I ADD PRIMARY KEY (%s)', table_name,
                   (SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place)
                    FROM unnest(column_names) WITH ORDINALITY AS c (name, place)));
END $$;

CREATE FUNCTION projection.create_index(index_name text, table_name text, method text, column_names text[])
RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF method IS NULL OR method NOT IN ('btree', 'gin') THEN
        RAISE EXCEPTION 'an index of a read model is btree or gin, not %', method
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('CREATE INDEX %I ON read_model.%I USING %s (%s)', index_name, table_name, method,
                   (SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place)
                    FROM unnest(column_names) WITH ORDINALITY AS c (name, place)));
END $$;

CREATE FUNCTION projection.analyze_table(table_name text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('ANALYZE read_model.%I', table_name);
END $$;

CREATE FUNCTION projection.drop_table(table_name text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS read_model.%I', table_name);
END $$;

REVOKE ALL ON FUNCTION projection.create_table, projection.add_primary_key, projection.create_index,
    projection.analyze_table, projection.drop_table FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projection.create_table, projection.add_primary_key, projection.create_index,
    projection.analyze_table, projection.drop_table TO reprise_projector;
