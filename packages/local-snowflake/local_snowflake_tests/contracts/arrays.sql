-- Arrays and NULL. source: docs.snowflake.com/en/sql-reference/functions/array_cat, array_append, array_to_string, split
SELECT ARRAY_CAT([1], NULL) AS A, ARRAY_CAT(NULL, [1]) AS B, ARRAY_APPEND(NULL, 1) AS C, ARRAY_PREPEND([2], 1) AS D, ARRAY_TO_STRING([1, 2], NULL) AS E, ARRAY_TO_STRING(NULL, ',') AS F, ARRAY_TO_STRING([], ',') = '' AS G, ARRAY_TO_STRING(ARRAY_CONSTRUCT(1, NULL, 'x', TRUE), '-') AS H;
--= NULL | NULL | NULL | [1,2] | NULL | NULL | true | 1--x-true
SELECT SPLIT('127.0.0.1', '.') AS A, SPLIT('|a||', '|') AS B, SPLIT('abc', '') AS C, SPLIT(NULL, ',') AS D, SPLIT('a', NULL) AS E;
--= ["127","0","0","1"] | ["","a","",""] | ["abc"] | NULL | NULL
-- source: docs.snowflake.com/en/sql-reference/functions/array_distinct, array_contains, array_position
SELECT ARRAY_DISTINCT(['A', 'A', 'B', NULL, NULL]) AS A, ARRAY_DISTINCT(NULL) AS B, ARRAY_CONTAINS('hello'::VARIANT, ['hello', 'hi']) AS C, ARRAY_CONTAINS('hello'::VARIANT, ['hola']) AS D, ARRAY_CONTAINS(NULL, ['hola']) AS E, ARRAY_CONTAINS(NULL, ['hola', NULL]) AS F, ARRAY_CONTAINS(1::VARIANT, NULL) AS G;
--= ["A","B",null] | NULL | true | false | NULL | true | NULL
SELECT ARRAY_POSITION('hi'::VARIANT, ARRAY_CONSTRUCT('hello', 'hi')) AS A, ARRAY_POSITION('hello'::VARIANT, ARRAY_CONSTRUCT('hola', 'bonjour')) AS B, ARRAY_POSITION('x'::VARIANT, NULL) AS C;
--= 1 | NULL | NULL
-- source: docs.snowflake.com/en/sql-reference/functions/array_slice, array_compact
SELECT ARRAY_SLICE([0,1,2,3,4,5,6], 0, 2) AS A, ARRAY_SLICE([0,1,2,3,4,5,6], 3, 6) AS B, ARRAY_SLICE([0,1,2,3,4,5,6], 0, -2) AS C, ARRAY_SLICE([0,1,2,3,4,5,6], -5, -3) AS D, ARRAY_SLICE([0,1,2,3,4,5,6], 10, 12) AS E, ARRAY_SLICE([0,1,2], NULL, 2) AS F, ARRAY_SLICE([1,2,3], 2, 1) AS G;
--= [0,1] | [3,4,5] | [0,1,2,3,4] | [2,3] | [] | NULL | []
SELECT ARRAY_COMPACT(ARRAY_CONSTRUCT(10, NULL, 30)) AS A, ARRAY_COMPACT(NULL) AS B;
--= [10,30] | NULL
-- source: docs.snowflake.com/en/sql-reference/functions/array_except, array_intersection: arrays are multisets
SELECT ARRAY_EXCEPT(['A', 'B'], ['B', 'C']) AS A, ARRAY_EXCEPT(['A', 'B', 'C'], ['B', 'C']) AS B, ARRAY_EXCEPT(['A', 'B', 'B', 'B', 'C'], ['B']) AS C, ARRAY_EXCEPT(['A', 'B'], ['A', 'B']) AS D, ARRAY_EXCEPT(['A', NULL, NULL], ['B', NULL]) AS E, ARRAY_EXCEPT(['A', NULL, NULL], [NULL, 'B', NULL]) AS F, ARRAY_EXCEPT(['A', 'B'], NULL) AS G;
--= ["A"] | ["A"] | ["A","B","B","C"] | [] | ["A",null] | ["A"] | NULL
SELECT ARRAY_INTERSECTION(['A', 'B'], ['B', 'C']) AS A, ARRAY_INTERSECTION(['A', 'B', 'C'], ['B', 'C']) AS B, ARRAY_INTERSECTION(['A', 'B', 'B', 'B', 'C'], ['B', 'B']) AS C, ARRAY_INTERSECTION(['A'], NULL) AS D;
--= ["B"] | ["B","C"] | ["B","B"] | NULL
-- source: docs.snowflake.com/en/sql-reference/functions/to_object, as_integer
SELECT TO_OBJECT(PARSE_JSON('{"a": 1}')) AS A, TO_OBJECT(PARSE_JSON('null')) AS B, TO_OBJECT(NULL) AS C, AS_INTEGER(1.2345::VARIANT) AS D, AS_DECIMAL(1.2345::VARIANT, 10, 2) AS E, AS_NUMBER(7::VARIANT) AS F, AS_REAL(1.5::VARIANT) AS G, AS_INTEGER('x'::VARIANT) AS H;
--= {"a":1} | NULL | NULL | 1 | 1.23 | 7 | 1.5 | NULL
SELECT TO_OBJECT([1]::VARIANT);
--! 100071
--~ Failed to cast variant value [1] to OBJECT
-- Numbers. source: docs.snowflake.com/en/sql-reference/functions/sqrt, ln, log, trunc
SELECT SQRT(4) AS A, LN(1) AS B, LOG(10, 1000) AS C, LOG(2, 8) AS D, SQRT(NULL) AS E, TRUNC(-0.4::FLOAT) AS F, ROUND(-0.4::FLOAT) AS G, CEIL(-0.4::FLOAT) AS H, 1e15::FLOAT::VARCHAR AS I, 100000000000000::FLOAT::VARCHAR AS J;
--= 2.0 | 0.0 | 3.0 | 3.0 | NULL | 0.0 | 0.0 | 0.0 | 1e+15 | 100000000000000
SELECT SQRT(-1);
--! 100044
--~ Invalid floating point operation: sqrt(-1)
SELECT LN(0);
--! 100044
SELECT LOG(10, 0);
--! 100044
