-- The functions that make tables of read models give them to the roles of this database, whatever they are called
-- (docs/decisions/0038-roles-of-a-database.md).

CREATE OR REPLACE FUNCTION projection.create_table(
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
    readers    text;
    writers    text;
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
    -- While roles are separated, there may be processes that still work in those of before.
    SELECT string_agg(quote_ident(n.name), ', ') FILTER (WHERE r.purpose = 'app'),
           string_agg(quote_ident(n.name), ', ') FILTER (WHERE r.purpose = 'projector')
    INTO STRICT readers, writers
    FROM schema_migration.role r, unnest(array_remove(ARRAY[r.name, r.former], NULL)) AS n (name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON read_model.%I TO %s', table_name, writers);
    EXECUTE format('GRANT SELECT ON read_model.%I TO %s', table_name, readers);
END $$;
