-- Snowflake functions that DuckDB lacks or answers differently. Called by translate/functions.py with the same names.

-- A failure as a cast that cannot succeed: unlike error() it has no side effect, so aliases of it can be used again.
CREATE OR REPLACE MACRO sf_fail(message) AS CAST('failure: ' || message AS INTEGER);
CREATE OR REPLACE MACRO sf_fail_text(message) AS CAST(sf_fail(message) AS VARCHAR);

-- Places in the text of a plan, for when it is only described: a text that runs has the values there
-- (slots.py).
CREATE OR REPLACE MACRO sf_statement_timestamp(slot) AS now();
CREATE OR REPLACE MACRO sf_bound(slot) AS '';

-- Numbers: DuckDB also reads 0x1F and 1_000, which are no numbers in Snowflake.
CREATE OR REPLACE MACRO sf_is_number(t) AS regexp_full_match(trim(t), '[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?');
CREATE OR REPLACE MACRO sf_number_text(t) AS
    CASE WHEN t IS NULL OR sf_is_number(t) THEN t
         ELSE sf_fail_text('Could not convert string ''' || t || ''' to DECIMAL') END;
-- A text in arithmetic has 5 digits after the point; one with more is not rounded, as its digits would be lost unseen.
CREATE OR REPLACE MACRO sf_operand_text(t) AS
    CASE WHEN regexp_matches(t, '\.\d{5}\d*[1-9]') THEN
             sf_fail_text('not supported by the local warehouse: the text ' || t
                 || ' as a number without a cast, as it has more than 5 digits after the point; cast it to a NUMBER')
         ELSE sf_number_text(t) END;
-- The argument stands once, so that it is evaluated once.
CREATE OR REPLACE MACRO sf_try_number_text(t) AS
    nullif(regexp_extract(t, '^ *([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?) *$', 1), '');
CREATE OR REPLACE MACRO sf_is_float(t) AS sf_is_number(t) OR lower(trim(t)) IN ('nan', 'inf', '-inf', 'infinity', '-infinity');
CREATE OR REPLACE MACRO sf_float_text(t) AS
    CASE WHEN t IS NULL OR sf_is_float(t) THEN t
         ELSE sf_fail_text('Could not convert string ''' || t || ''' to DOUBLE') END;
CREATE OR REPLACE MACRO sf_try_float_text(t) AS CASE WHEN sf_is_float(t) THEN t END;
CREATE OR REPLACE MACRO sf_divide(a, b, s1, s2, s) AS
    CASE WHEN b = 0 THEN sf_fail('division by zero' || left(CAST(b AS VARCHAR), 0))
         ELSE sign(a) * sign(b) * (
             (abs(a * (10::HUGEINT ** s1)::HUGEINT)::HUGEINT * (10::HUGEINT ** (s - s1 + s2))::HUGEINT * 2
                 + abs(b * (10::HUGEINT ** s2)::HUGEINT)::HUGEINT)
             // (2 * abs(b * (10::HUGEINT ** s2)::HUGEINT)::HUGEINT)) END;
CREATE OR REPLACE MACRO sf_divide_float(a, b) AS
    CASE WHEN b = 0 THEN sf_fail('division by zero' || left(CAST(b AS VARCHAR), 0)) ELSE a::DOUBLE / b::DOUBLE END;
-- No zero has a sign.
CREATE OR REPLACE MACRO sf_unsigned_zero(x) AS CASE WHEN x = 0 THEN abs(x) ELSE x END;
CREATE OR REPLACE MACRO sf_sqrt(a) AS
    CASE WHEN a < 0 THEN sf_fail('Invalid floating point operation: sqrt(' || a || ')') ELSE sqrt(a) END;
CREATE OR REPLACE MACRO sf_ln(a) AS
    CASE WHEN a <= 0 THEN sf_fail('Invalid floating point operation: ln(' || a || ')') ELSE ln(a) END;
CREATE OR REPLACE MACRO sf_log(base, a) AS
    CASE WHEN a <= 0 OR base <= 0 OR base = 1 THEN sf_fail('Invalid floating point operation: log(' || base || ',' || a || ')')
         ELSE CASE base WHEN 10 THEN log10(a) WHEN 2 THEN log2(a) ELSE ln(a) / ln(base) END END;
CREATE OR REPLACE MACRO sf_modulo(a, b) AS CASE WHEN b = 0 THEN sf_fail('division by zero' || left(CAST(b AS VARCHAR), 0)) ELSE a % b END;

-- Text
CREATE OR REPLACE MACRO sf_fitting(t, n) AS
    CASE WHEN t IS NULL OR length(t) <= n THEN t
         ELSE sf_fail_text('String ''' || t || ''' is too long and would be truncated') END;
CREATE OR REPLACE MACRO sf_fitting_binary(b, n) AS
    CASE WHEN b IS NULL OR octet_length(b) <= n THEN b
         ELSE CAST(sf_fail_text('String ''' || hex(b) || ''' is too long and would be truncated') AS BLOB) END;
CREATE OR REPLACE MACRO sf_boolean(t) AS
    CASE WHEN t IS NULL THEN NULL
         WHEN lower(t) IN ('true', 't', 'yes', 'y', 'on', '1') THEN TRUE
         WHEN lower(t) IN ('false', 'f', 'no', 'n', 'off', '0') THEN FALSE
         ELSE CAST(sf_fail_text('Could not convert string ''' || t || ''' to BOOL') AS BOOLEAN) END;
CREATE OR REPLACE MACRO sf_try_boolean(t) AS
    CASE WHEN lower(t) IN ('true', 't', 'yes', 'y', 'on', '1') THEN TRUE
         WHEN lower(t) IN ('false', 'f', 'no', 'n', 'off', '0') THEN FALSE END;
CREATE OR REPLACE MACRO sf_initcap(t) AS
    list_aggregate(list_transform(
        regexp_extract_all(lower(t), '[^\s!?@"^#$&~_,.:;+*%/|\\\[\](){}<>-]+|[\s!?@"^#$&~_,.:;+*%/|\\\[\](){}<>-]+'),
        lambda w: upper(w[1]) || w[2:]), 'string_agg', '');
CREATE OR REPLACE MACRO sf_split_part(t, d, n) AS
    CASE WHEN d = '' THEN CASE WHEN n IN (0, 1, -1) THEN t ELSE '' END
         ELSE split_part(t, d, CASE WHEN n = 0 THEN 1 ELSE n END) END;
-- Every character of the delimiter parts; tokens are never empty.
CREATE OR REPLACE MACRO sf_strtok(t, d, n) AS
    CASE WHEN t = '' OR n < 1 THEN NULL WHEN d = '' THEN CASE WHEN n = 1 THEN t END
         ELSE list_filter(str_split(translate(t, d, repeat(left(d, 1), length(d))), left(d, 1)), lambda x: x <> '')[n] END;
-- Regular expressions: the n-th match from a position on, of RE2, which Snowflake's are like.
CREATE OR REPLACE MACRO sf_matches(t, p, since) AS regexp_extract_all(substring(t, since), p);
CREATE OR REPLACE MACRO sf_match(t, p, since, n, g) AS regexp_extract_all(substring(t, since), p, g)[n];
-- How many characters come before the n-th match.
CREATE OR REPLACE MACRO sf_before_match(t, p, n) AS
    list_sum(list_transform(string_split_regex(t, p)[1:n], lambda x: length(x)))
    + coalesce(list_sum(list_transform(regexp_extract_all(t, p)[1:n - 1], lambda x: length(x))), 0);
CREATE OR REPLACE MACRO sf_regexp_instr(t, p, since, n, after) AS
    CASE WHEN len(sf_matches(t, p, since)) >= n THEN
             CAST(since + sf_before_match(substring(t, since), p, n) + CASE after WHEN 1 THEN length(sf_match(t, p, since, n, 0)) ELSE 0 END AS BIGINT)
         WHEN t IS NOT NULL AND p IS NOT NULL THEN 0 END;
CREATE OR REPLACE MACRO sf_regexp_count(t, p, since) AS
    CASE WHEN p = '' THEN CASE WHEN t IS NOT NULL THEN 0 END ELSE CAST(len(sf_matches(t, p, since)) AS BIGINT) END;
CREATE OR REPLACE MACRO sf_regexp_replace(t, p, r, since, n) AS
    CASE WHEN n = 0 THEN left(t, since - 1) || regexp_replace(substring(t, since), p, r, 'g')
         WHEN len(sf_matches(t, p, since)) < n THEN t
         ELSE left(t, CAST(since - 1 + sf_before_match(substring(t, since), p, n) AS BIGINT))
              || regexp_replace(sf_match(t, p, since, n, 0), p, r)
              || substring(t, CAST(since + sf_before_match(substring(t, since), p, n) + length(sf_match(t, p, since, n, 0)) AS BIGINT)) END;
CREATE OR REPLACE MACRO sf_text_of_timestamp(t) AS strftime(t, '%Y-%m-%d %H:%M:%S.%g');
CREATE OR REPLACE MACRO sf_text_of_timestamptz(t) AS
    strftime(t, '%Y-%m-%d %H:%M:%S.%g ') || replace(rpad(strftime(t, '%z'), 5, '0'), ':', '');
CREATE OR REPLACE MACRO sf_text_of_double(d) AS
    CASE WHEN d = trunc(d) AND abs(d) < 1e15 THEN d::BIGINT::VARCHAR
         WHEN d = trunc(d) AND NOT isinf(d) THEN format('{:.15g}', d)
         WHEN isinf(d) THEN CASE WHEN d > 0 THEN 'inf' ELSE '-inf' END
         WHEN isnan(d) THEN 'NaN' ELSE d::VARCHAR END;

-- Times. Snowflake reads ISO 8601 and whole numbers as seconds, milli-, micro- or nanoseconds by their size.
CREATE OR REPLACE MACRO sf_is_timestamp(t) AS regexp_full_match(trim(t),
    '\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}(:\d{2}(:\d{2}(\.\d{0,9})?)?)?)?( ?(Z|[+-]\d{1,2}(:?\d{2})?))?');
CREATE OR REPLACE MACRO sf_is_zoned(t) AS regexp_matches(trim(t), '\d[T ].*(Z|[+-]\d{1,2}(:?\d{2})?)$');
CREATE OR REPLACE MACRO sf_without_zone(t) AS
    regexp_replace(trim(t), '([T ]\d[0-9:.]*) ?(Z|[+-]\d{1,2}(:?\d{2})?)$', '\1');
CREATE OR REPLACE MACRO sf_full_time(t) AS
    CASE WHEN regexp_full_match(t, '.*[T ]\d{1,2}') THEN t || ':00:00'
         WHEN regexp_full_match(t, '.*[T ]\d{1,2}:\d{2}') THEN t || ':00' ELSE t END;
CREATE OR REPLACE MACRO sf_epoch_of(n) AS
    CASE WHEN abs(n) < 31536000000 THEN make_timestamp(n * 1000000)
         WHEN abs(n) < 31536000000000 THEN make_timestamp(n * 1000)
         WHEN abs(n) < 31536000000000000 THEN make_timestamp(n)
         ELSE make_timestamp(n // 1000) END;
-- The other forms that AUTO knows: 05/10/2024 and 10-May-2024, each with or without a time.
CREATE OR REPLACE MACRO sf_is_other_date(t) AS regexp_full_match(trim(t),
    '(\d{1,2}/\d{1,2}/\d{4}|\d{1,2}-[A-Za-z]{3}-\d{4})( \d{1,2}:\d{2}:\d{2}(\.\d{1,6})?)?');
CREATE OR REPLACE MACRO sf_try_other_date(t) AS try_strptime(trim(t), [
    '%m/%d/%Y', '%d-%b-%Y', '%m/%d/%Y %H:%M:%S', '%d-%b-%Y %H:%M:%S', '%m/%d/%Y %H:%M:%S.%f', '%d-%b-%Y %H:%M:%S.%f']);
CREATE OR REPLACE MACRO sf_try_timestamp(t) AS
    CASE WHEN sf_is_timestamp(t) THEN TRY_CAST(sf_full_time(sf_without_zone(t)) AS TIMESTAMP)
         WHEN sf_is_other_date(t) THEN sf_try_other_date(t)
         WHEN regexp_full_match(trim(t), '-?\d{1,18}') THEN sf_epoch_of(TRY_CAST(trim(t) AS BIGINT)) END;
CREATE OR REPLACE MACRO sf_timestamp(t) AS
    CASE WHEN t IS NULL THEN NULL
         ELSE coalesce(sf_try_timestamp(t), CAST(sf_fail_text('timestamp field value out of range: "' || t || '"') AS TIMESTAMP)) END;
CREATE OR REPLACE MACRO sf_try_timestamptz(t) AS
    CASE WHEN sf_is_timestamp(t) THEN
             TRY_CAST(CASE WHEN sf_is_zoned(t) THEN
                 sf_full_time(sf_without_zone(t)) || regexp_extract(trim(t), '(Z|[+-]\d{1,2}(:?\d{2})?)$', 1)
                 ELSE sf_full_time(trim(t)) END AS TIMESTAMPTZ)
         WHEN sf_is_other_date(t) THEN CAST(sf_try_other_date(t) AS TIMESTAMPTZ)
         WHEN regexp_full_match(trim(t), '-?\d{1,18}') THEN
             sf_epoch_of(TRY_CAST(trim(t) AS BIGINT)) AT TIME ZONE 'UTC' END;
CREATE OR REPLACE MACRO sf_timestamptz(t) AS
    CASE WHEN t IS NULL THEN NULL
         ELSE coalesce(sf_try_timestamptz(t), CAST(sf_fail_text('timestamp field value out of range: "' || t || '"') AS TIMESTAMP)) END;
-- TIMESTAMP_TZ: the time in UTC and the offset in minutes (translate/zoned.py).
CREATE OR REPLACE MACRO sf_zoned_of_utc(u, o) AS
    CASE WHEN u IS NOT NULL THEN CAST({'t': u, 'o': o} AS STRUCT(t TIMESTAMP, o SMALLINT)) END;
CREATE OR REPLACE MACRO sf_zoned_of_wall(w, o) AS sf_zoned_of_utc(w - to_minutes(o::BIGINT), o);
CREATE OR REPLACE MACRO sf_zoned_instant(i) AS sf_zoned_of_utc(i AT TIME ZONE 'UTC', date_part('timezone', i) // 60);
CREATE OR REPLACE MACRO sf_in_zone(i, zone) AS sf_zoned_of_utc(i AT TIME ZONE 'UTC',
    CAST(epoch(i AT TIME ZONE zone) - epoch(i AT TIME ZONE 'UTC') AS BIGINT) // 60);
CREATE OR REPLACE MACRO sf_wall_of(z) AS struct_extract(z, 't') + to_minutes(struct_extract(z, 'o')::BIGINT);
CREATE OR REPLACE MACRO sf_instant_of(z) AS struct_extract(z, 't') AT TIME ZONE 'UTC';
CREATE OR REPLACE MACRO sf_text_of_offset(o) AS CASE WHEN o < 0 THEN '-' ELSE '+' END
    || lpad((abs(o) // 60)::VARCHAR, 2, '0') || lpad((abs(o) % 60)::VARCHAR, 2, '0');
CREATE OR REPLACE MACRO sf_text_of_zoned(z) AS
    strftime(sf_wall_of(z), '%Y-%m-%d %H:%M:%S.%g ') || sf_text_of_offset(struct_extract(z, 'o'));
CREATE OR REPLACE MACRO sf_offset_in(t) AS CASE WHEN right(trim(t), 1) = 'Z' THEN 0 ELSE
    CASE WHEN regexp_extract(trim(t), '([+-])[\d:]+$', 1) = '-' THEN -1 ELSE 1 END * (
        60 * CAST(regexp_extract(trim(t), '[+-](\d{1,2}?)(?::?(\d{2}))?$', 1) AS BIGINT)
        + coalesce(TRY_CAST(regexp_extract(trim(t), '[+-](\d{1,2}?)(?::?(\d{2}))?$', 2) AS BIGINT), 0)) END;
CREATE OR REPLACE MACRO sf_try_zoned_text(t) AS
    CASE WHEN NOT sf_is_timestamp(t) THEN NULL
         WHEN sf_is_zoned(t) THEN sf_zoned_of_utc(sf_try_timestamptz(t) AT TIME ZONE 'UTC', sf_offset_in(t))
         ELSE sf_zoned_instant(sf_try_timestamptz(t)) END;
CREATE OR REPLACE MACRO sf_zoned_text(t) AS
    CASE WHEN t IS NULL THEN NULL
         WHEN sf_is_zoned(t) THEN sf_zoned_of_utc(sf_timestamptz(t) AT TIME ZONE 'UTC', sf_offset_in(t))
         ELSE sf_zoned_instant(sf_timestamptz(
             CASE WHEN regexp_full_match(trim(t), '-?\d{1,18}') THEN 'number ' || t ELSE t END)) END;
-- By way of DECIMAL(18, 0), which holds the years to 33,658: a wider one becomes a BIGINT by dividing bit by bit.
-- A TIMESTAMP of DuckDB ends in the year 294,246.
CREATE OR REPLACE MACRO sf_epoch_scaled(n, s) AS CASE
    WHEN s <= 6 AND abs(n) < (10::HUGEINT ** (12 + s))::HUGEINT THEN
        make_timestamp(CAST(CAST(n * (10::HUGEINT ** (6 - s))::HUGEINT AS DECIMAL(18, 0)) AS BIGINT))
    WHEN s <= 6 AND abs(n) < 9223372 * (10::HUGEINT ** (6 + s))::HUGEINT THEN
        make_timestamp(CAST(n * (10::HUGEINT ** (6 - s))::HUGEINT AS BIGINT))
    WHEN s > 6 AND abs(n) < 9223372 * (10::HUGEINT ** (6 + s))::HUGEINT THEN
        make_timestamp(CAST(n // (10::HUGEINT ** (s - 6))::HUGEINT AS BIGINT))
    WHEN n IS NOT NULL THEN
        CAST(sf_fail_text('timestamp field value out of range: "' || n || '"') AS TIMESTAMP) END;
-- A time cut to the digits of a second that are declared; `unit` is their distance in microseconds.
CREATE OR REPLACE MACRO sf_cut(x, unit) AS x - to_microseconds(((epoch_us(x) % unit) + unit) % unit);
CREATE OR REPLACE MACRO sf_cut_zoned(z, unit) AS sf_zoned_of_utc(sf_cut(struct_extract(z, 't'), unit), struct_extract(z, 'o'));
CREATE OR REPLACE MACRO sf_try_date(t) AS CAST(sf_try_timestamp(t) AS DATE);
CREATE OR REPLACE MACRO sf_date(t) AS
    CASE WHEN t IS NULL THEN NULL
         ELSE coalesce(sf_try_date(t), CAST(sf_fail_text('date field value out of range: "' || t || '"') AS DATE)) END;
CREATE OR REPLACE MACRO sf_try_time(t) AS
    CASE WHEN regexp_full_match(trim(t), '\d{1,2}:\d{2}(:\d{2}(\.\d{0,9})?)?') THEN
             TRY_CAST(CASE WHEN regexp_full_match(trim(t), '\d{1,2}:\d{2}') THEN trim(t) || ':00' ELSE trim(t) END AS TIME)
         ELSE CAST(sf_try_timestamp(t) AS TIME) END;
CREATE OR REPLACE MACRO sf_time(t) AS
    CASE WHEN t IS NULL THEN NULL
         ELSE coalesce(sf_try_time(t), CAST(sf_fail_text('time field value out of range: "' || t || '"') AS TIME)) END;
CREATE OR REPLACE MACRO sf_weeks_between(a, b) AS
    CAST((epoch(date_trunc('week', b)) - epoch(date_trunc('week', a))) // 604800 AS BIGINT);
CREATE OR REPLACE MACRO sf_months_between(a, b) AS
    round(CASE WHEN day(a) = day(b) OR (last_day(a::DATE) = a::DATE AND last_day(b::DATE) = b::DATE)
         THEN (year(a) - year(b)) * 12 + month(a) - month(b)
         ELSE (year(a) - year(b)) * 12 + month(a) - month(b)
             + (day(a) - day(b) + (epoch(a::TIMESTAMP::TIME) - epoch(b::TIMESTAMP::TIME)) / 86400.0) / 31.0 END, 6)::DECIMAL(38, 6);

-- Semi-structured data: a VARIANT is DuckDB's JSON.
CREATE OR REPLACE MACRO sf_text(v) AS to_json(v) ->> '$';
CREATE OR REPLACE MACRO sf_try_parse_json(t) AS CASE WHEN json_valid(t) THEN json(t) END;
CREATE OR REPLACE MACRO sf_try_parse_json_column(t) AS TRY(json(t));
CREATE OR REPLACE MACRO sf_parse_json(t) AS
    CASE WHEN json_valid(t) THEN json(t)
         WHEN t IS NULL OR trim(t) = '' THEN NULL ELSE CAST(sf_fail_text('Malformed JSON: ' || left(t, 100)) AS JSON) END;
CREATE OR REPLACE MACRO sf_typeof(v) AS
    CASE json_type(v) WHEN 'NULL' THEN 'NULL_VALUE' WHEN 'UBIGINT' THEN 'INTEGER' WHEN 'BIGINT' THEN 'INTEGER'
         WHEN 'HUGEINT' THEN 'INTEGER' WHEN 'DOUBLE' THEN 'DECIMAL' ELSE json_type(v) END;
CREATE OR REPLACE MACRO sf_as(v, kinds) AS CASE WHEN list_contains(kinds, sf_typeof(v)) THEN v ->> '$' END;
CREATE OR REPLACE MACRO sf_array_size(v) AS CASE WHEN json_type(v) = 'ARRAY' THEN json_array_length(v)::BIGINT END;
-- Arrays. NULL among the elements is an element; NULL for an array gives NULL.
CREATE OR REPLACE MACRO sf_list(v) AS list_transform(CAST(v AS JSON[]), lambda x: coalesce(x, CAST('null' AS JSON)));
CREATE OR REPLACE MACRO sf_array_cat(a, b) AS
    CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN to_json(list_concat(sf_list(a), sf_list(b))) END;
CREATE OR REPLACE MACRO sf_array_append(a, x) AS
    CASE WHEN a IS NOT NULL THEN to_json(list_append(sf_list(a), coalesce(x, CAST('null' AS JSON)))) END;
CREATE OR REPLACE MACRO sf_array_prepend(a, x) AS
    CASE WHEN a IS NOT NULL THEN to_json(list_prepend(coalesce(x, CAST('null' AS JSON)), sf_list(a))) END;
CREATE OR REPLACE MACRO sf_array_to_string(a, separator) AS
    CASE WHEN a IS NOT NULL AND separator IS NOT NULL THEN
        CASE WHEN json_type(a) = 'ARRAY' THEN
            coalesce(array_to_string(list_transform(CAST(a AS JSON[]), lambda x: coalesce(x ->> '$', '')), separator), '')
            ELSE a ->> '$' END END;
CREATE OR REPLACE MACRO sf_array_distinct(a) AS
    to_json(list_filter(sf_list(a), lambda x, i: list_position(sf_list(a), x) = i));
CREATE OR REPLACE MACRO sf_array_compact(a) AS to_json(list_filter(CAST(a AS JSON[]), lambda x: x IS NOT NULL AND json_type(x) <> 'NULL'));
CREATE OR REPLACE MACRO sf_array_contains(x, a) AS
    CASE WHEN a IS NULL THEN NULL
         WHEN x IS NULL THEN CASE WHEN list_contains(sf_list(a), CAST('null' AS JSON)) THEN TRUE END
         ELSE list_contains(sf_list(a), x) END;
CREATE OR REPLACE MACRO sf_array_position(x, a) AS
    CAST(list_position(sf_list(a), coalesce(x, CAST('null' AS JSON))) - 1 AS BIGINT);
CREATE OR REPLACE MACRO sf_array_slice(a, low, high) AS
    CASE WHEN a IS NOT NULL AND low IS NOT NULL AND high IS NOT NULL THEN to_json(list_slice(sf_list(a),
        greatest(CASE WHEN low < 0 THEN low + json_array_length(a) ELSE low END, 0) + 1,
        greatest(CASE WHEN high < 0 THEN high + json_array_length(a) ELSE high END, 0))) END;
-- The n-th of equal elements stays if the other array has fewer than n (EXCEPT), or that many (INTERSECTION).
CREATE OR REPLACE MACRO sf_array_except(a, b) AS CASE WHEN b IS NOT NULL THEN to_json(list_filter(sf_list(a), lambda x, i:
    len(list_filter(list_slice(sf_list(a), 1, i), lambda e: e = x)) > len(list_filter(sf_list(b), lambda e: e = x)))) END;
CREATE OR REPLACE MACRO sf_array_intersection(a, b) AS CASE WHEN b IS NOT NULL THEN to_json(list_filter(sf_list(a), lambda x, i:
    len(list_filter(list_slice(sf_list(a), 1, i), lambda e: e = x)) <= len(list_filter(sf_list(b), lambda e: e = x)))) END;
CREATE OR REPLACE MACRO sf_split(t, separator) AS
    CASE WHEN separator = '' AND t IS NOT NULL THEN json_array(t)
         WHEN separator IS NOT NULL THEN to_json(str_split(t, separator)) END;
CREATE OR REPLACE MACRO sf_to_object(v) AS
    CASE json_type(v) WHEN 'OBJECT' THEN v WHEN 'NULL' THEN NULL
         ELSE CASE WHEN v IS NOT NULL THEN
             CAST(sf_fail_text('Failed to cast variant value ' || left(CAST(v AS VARCHAR), 100) || ' to OBJECT') AS JSON) END END;
CREATE OR REPLACE MACRO sf_object_compact(names, vals) AS
    coalesce((SELECT json_group_object(e.k, e.v)
              FROM (SELECT unnest(names) AS k, unnest(vals) AS v) e
              WHERE e.k IS NOT NULL AND e.v IS NOT NULL), '{}'::JSON);
CREATE OR REPLACE MACRO sf_object_all(names, vals) AS
    coalesce((SELECT json_group_object(e.k, coalesce(e.v, 'null'::JSON))
              FROM (SELECT unnest(names) AS k, unnest(vals) AS v) e WHERE e.k IS NOT NULL), '{}'::JSON);
-- The values of an object by '$.*' stand in the order of its keys, whatever these are: no key is made a path.
CREATE OR REPLACE MACRO sf_elements(v) AS
    CASE json_type(v)
         WHEN 'ARRAY' THEN list_transform(json_extract(v, '$[*]'), lambda x, i:
             {'key': NULL::VARCHAR, 'index': (i - 1)::BIGINT, 'value': x})
         WHEN 'OBJECT' THEN list_transform(list_sort(list_zip(json_keys(v), json_extract(v, '$.*'))), lambda pair:
             {'key': struct_extract(pair, 1), 'index': NULL::BIGINT, 'value': struct_extract(pair, 2)}) END;
CREATE OR REPLACE MACRO sf_elements_within(v, mode) AS
    from_json(sf_everything_in(CAST(v AS VARCHAR), mode),
        '[{"key": "VARCHAR", "path": "VARCHAR", "index": "BIGINT", "value": "JSON", "this": "JSON"}]');
CREATE OR REPLACE MACRO sf_elements_of(v, kind) AS CASE WHEN json_type(v) = kind THEN sf_elements(v) END;
CREATE OR REPLACE MACRO sf_or_null(elements) AS CASE WHEN len(elements) > 0 THEN elements ELSE [NULL] END;
-- A JSON pointer has no wildcards and takes any key; of an array it would take an index.
CREATE OR REPLACE MACRO sf_get_key(v, k) AS
    CASE WHEN json_type(v) = 'OBJECT' THEN json_extract(v, '/' || replace(replace(k, '~', '~0'), '/', '~1')) END;
CREATE OR REPLACE MACRO sf_get(v, k) AS
    CASE WHEN typeof(k) = 'VARCHAR' THEN sf_get_key(v, CAST(k AS VARCHAR))
         WHEN left(CAST(k AS VARCHAR), 1) <> '-' THEN json_extract(v, '$[' || k || ']') END;
-- An element's PATH: that of what it is in, and its key or index; without either it is a row of OUTER.
CREATE OR REPLACE MACRO sf_path_step(before, k, i) AS
    CASE WHEN k IS NULL AND i IS NULL THEN before WHEN k IS NULL THEN before || '[' || i || ']'
         WHEN regexp_full_match(k, '[A-Za-z_][A-Za-z0-9_$]*') THEN before || CASE before WHEN '' THEN '' ELSE '.' END || k
         ELSE before || '[''' || k || ''']' END;
