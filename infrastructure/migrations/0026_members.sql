-- A fact may be about several people: read models can find rows by the members of a list that most rows do not have.
-- The function is that of migration 0021, with one more kind of index (docs/decisions/0042-people-of-a-fact.md).

CREATE OR REPLACE FUNCTION projection.create_index(index_name text, table_name text, method text, column_names text[])
RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    columns   text := (SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place)
                       FROM unnest(column_names) WITH ORDINALITY AS c (name, place));
    statement text := format('CREATE INDEX %I ON read_model.%I ', index_name, table_name);
BEGIN
    CASE method
        WHEN 'btree', 'gin' THEN
            statement := statement || format('USING %s (%s)', method, columns);
        WHEN 'members' THEN
            statement := statement || format('USING gin (%1$I) WHERE %1$I IS NOT NULL', column_names[1]);
        WHEN 'word' THEN
            statement := statement || format(
                '(%1$I) INCLUDE (%2$s) WHERE %1$I <> ''''', column_names[1],
                (SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place)
                 FROM unnest(column_names[2:]) WITH ORDINALITY AS c (name, place)));
        WHEN 'words' THEN
            statement := statement || format(
                'USING gin (array_to_tsvector(string_to_array(%1$I, '' ''))) WHERE %1$I <> ''''', column_names[1]);
        ELSE
            RAISE EXCEPTION 'an index of a read model is btree, gin, members, word or words, not %', method
                USING ERRCODE = 'invalid_parameter_value';
    END CASE;
    EXECUTE statement;
END $$;
