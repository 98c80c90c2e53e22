-- Two more kinds of index of a read model, for words that people are found by (docs/decisions/0034-names-by-word.md): by one
-- word, and by beginnings of the words in a text. Rows without a word are in neither. The expression is made of
-- PostgreSQL's own functions, so that nobody else's code runs when rows are written or read. An index by one word has that
-- word as its key, and its other columns beside it: very many rows have the same word, and to sort these by another column,
-- too, adds two thirds to the cost.
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
        WHEN 'word' THEN
            statement := statement || format(
                '(%1$I) INCLUDE (%2$s) WHERE %1$I <> ''''', column_names[1],
                (SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place)
                 FROM unnest(column_names[2:]) WITH ORDINALITY AS c (name, place)));
        WHEN 'words' THEN
            statement := statement || format(
                'USING gin (array_to_tsvector(string_to_array(%1$I, '' ''))) WHERE %1$I <> ''''', column_names[1]);
        ELSE
            RAISE EXCEPTION 'an index of a read model is btree, gin, word or words, not %', method
                USING ERRCODE = 'invalid_parameter_value';
    END CASE;
    EXECUTE statement;
END $$;
