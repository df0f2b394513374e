-- Values in places that want text. source: docs.snowflake.com/en/sql-reference/data-type-conversion
SELECT MD5(1) = MD5('1') AS A, SHA2(1.50) = SHA2('1.50') AS B, SHA1(TRUE) = SHA1('true') AS C, HEX_ENCODE(1) AS D, BASE64_ENCODE(1) AS E, BASE64_ENCODE(TO_BINARY('FF00')) AS F;
--= true | true | true | 31 | MQ== | /wA=
SELECT LENGTH(123) AS A, LENGTH(1.50) AS B, UPPER(TRUE) AS C, REVERSE(123) AS D, LEFT(12345, 2) AS E, SUBSTR(12345, 2, 2) AS F, REPLACE(121, '1', 'x') AS G, SPLIT_PART(1.25, '.', 2) AS H, CONTAINS(123, '2') AS I;
--= 3 | 4 | TRUE | 321 | 12 | 23 | x2x | 25 | true
SELECT 1.50 || 'x' AS A, 2::FLOAT || 'x' AS B, CONCAT('x', 2::FLOAT) AS C, '2024-01-01 10:00:00'::TIMESTAMP_NTZ || 'x' AS D, '2024-01-01'::DATE || 'x' AS E, CONCAT_WS('-', 2::FLOAT, 1) AS F;
--= 1.50x | 2x | x2 | 2024-01-01 10:00:00.000x | 2024-01-01x | 2-1
SELECT LISTAGG(COLUMN1::FLOAT, ',') WITHIN GROUP (ORDER BY COLUMN1) AS A, LISTAGG(DISTINCT COLUMN1, ',') WITHIN GROUP (ORDER BY COLUMN1) AS B FROM VALUES (2), (1);
--= 1,2 | 1,2
CREATE TABLE AS_TEXT (A VARCHAR, B VARCHAR(30));
INSERT INTO AS_TEXT SELECT '2024-01-01 10:00:00'::TIMESTAMP_NTZ, 2::FLOAT;
SELECT * FROM AS_TEXT;
--= 2024-01-01 10:00:00.000 | 2
-- in a VARIANT a timestamp is its text
SELECT OBJECT_CONSTRUCT('t', '2024-01-01 10:00:00'::TIMESTAMP_NTZ, 'v', PARSE_JSON('[1]')) AS A, ARRAY_CONSTRUCT('2024-01-01 10:00:00'::TIMESTAMP_NTZ, NULL) AS B;
--= {"t":"2024-01-01 10:00:00.000","v":[1]} | ["2024-01-01 10:00:00.000",null]
SELECT ARRAY_AGG('2024-01-01 10:00:00'::TIMESTAMP_NTZ) AS A, ARRAY_AGG(TO_BINARY('FF')) AS B, TO_BINARY('FF')::VARIANT AS C, TO_BINARY('FF') || TO_BINARY('00') AS D, TO_BINARY('FF')::VARCHAR || 'x' AS E;
--= ["2024-01-01 10:00:00.000"] | ["FF"] | "FF" | FF00 | FFx
SELECT TO_BINARY('FF') || 'x';
--! 000002
SELECT LISTAGG(TO_BINARY('FF'), ',');
--! 000002
SELECT TRY_CAST('x' AS BOOLEAN) AS A, TRY_CAST('yes' AS BOOLEAN) AS B, 'off'::BOOLEAN AS C;
--= NULL | true | false
SELECT ''::INTEGER;
--! 100038
--~ Numeric value '' is not recognized
-- a number of units is an integer. source: docs.snowflake.com/en/sql-reference/functions/dateadd, add_months
SELECT DATEADD(day, 1.6, '2024-01-01'::DATE) AS A, DATEADD(hour, 1.4, '2024-01-01'::TIMESTAMP_NTZ) AS B, DATEADD(day, '2', '2024-01-01'::DATE) AS C, ADD_MONTHS('2024-01-31'::DATE, 0.6) AS D, DATEADD(day, -COLUMN1, '2024-01-10'::DATE) AS E FROM VALUES (1.5);
--= 2024-01-03 | 2024-01-01 01:00:00.000 | 2024-01-03 | 2024-02-29 | 2024-01-08
-- products keep at most 12 digits after the point. source: docs.snowflake.com/en/sql-reference/operators-arithmetic
SELECT 1.123456::NUMBER(20,6) * 1.1234567::NUMBER(20,7) AS A, 1.5 * 1.5 AS B, 0.1::NUMBER(20,14) * 2 AS C;
--= 1.262154170355 | 2.25 | 0.20000000000000
-- source: docs.snowflake.com/en/sql-reference/functions/ceil, floor
SELECT CEIL(135.135, 2) AS A, CEIL(-975.975, 1) AS B, FLOOR(135.135, 1) AS C, FLOOR(1.15, 2) AS D, FLOOR(-975.975, 2) AS E;
--= 135.14 | -975.9 | 135.1 | 1.15 | -975.98
SELECT CEIL(135.135, -2);
--! 000002
-- source: docs.snowflake.com/en/sql-reference/functions/listagg: without a value that is not NULL it is an empty string
SELECT LISTAGG(COLUMN1, ',') = '' AS A FROM VALUES ('a') WHERE FALSE;
--= true
SELECT COLUMN2 AS K, LISTAGG(COLUMN1, ',') || '!' AS A, LISTAGG(COLUMN1, ',') WITHIN GROUP (ORDER BY COLUMN1) = '' AS B FROM VALUES (NULL, 1), ('x', 2) GROUP BY 1 ORDER BY 1;
--= 1 | ! | true
--= 2 | x! | false
-- source: docs.snowflake.com/en/sql-reference/functions/strtok
SELECT STRTOK('a.b.c', '.', 1) AS A, STRTOK('user@snowflake.com', '@.', 2) AS B, STRTOK('user@snowflake.com', '@.', 3) AS C, STRTOK('', '', 1) AS D, STRTOK('a.b', '', 1) AS E, STRTOK('user@snowflake.com.', '@.', 4) AS F, STRTOK('a b c') AS G;
--= a | snowflake | com | NULL | a.b | NULL | a
-- source: docs.snowflake.com/en/sql-reference/functions/regexp_substr: 'e' extracts the first group
SELECT REGEXP_SUBSTR('a1b2', '[a-z]([0-9])', 1, 1, 'e') AS A, REGEXP_SUBSTR('a1b2', '[a-z]([0-9])', 1, 2, 'e', 1) AS B, REGEXP_SUBSTR('a1b2', '[a-z][0-9]', 1, 2, 'e') AS C, REGEXP_SUBSTR('a1b2', '[a-z]([0-9])', 1, 2) AS D;
--= 1 | 2 | b2 | b2
-- source: docs.snowflake.com/en/sql-reference/functions/initcap: an apostrophe is no delimiter
SELECT INITCAP('the Quick-fox_jumps') AS A, INITCAP('o''neil [x]') AS B, INITCAP(NULL) AS C;
--= The Quick-Fox_Jumps | O'neil [X] | NULL
-- a column of the sources comes before an alias of the same name. source: dwh.dev/blog/reusing-column-aliases
CREATE TABLE ABC AS SELECT 1 AS A, 100 AS B, 1000 AS C;
SELECT A + 1 AS B, B + 1 AS C FROM ABC;
--= 2 | 101
SELECT A + 1 AS D, D + 1 AS E FROM ABC;
--= 2 | 3
SELECT N::FLOAT AS D, D || T AS E, 7 AS N, N || 'y' AS F FROM (SELECT 2.50 AS N, 'a' AS T);
--= 2.5 | 2.5a | 7 | 2.50y
-- types go from one common table expression to the next; a quotient has six digits more (operators-arithmetic)
WITH A AS (SELECT 7 AS N, NULL AS Z), B AS (SELECT N / 2 AS H, Z FROM A), C AS (SELECT H || 'x' AS T, Z FROM B) SELECT T, LENGTH(T) AS L, Z FROM C;
--= 3.500000x | 9 | NULL
WITH RECURSIVE R AS (SELECT 1 AS N UNION ALL SELECT N + 1 FROM R WHERE N < 3), S AS (SELECT SUM(N) / 4 AS Q FROM R) SELECT Q || '!' AS T FROM S;
--= 1.500000!
-- a VARIANT on its way into a column is cast to the column's type. source: docs.snowflake.com/en/sql-reference/data-type-conversion (data types that can be cast)
CREATE TABLE OF_VARIANT (N NUMBER(10,2), OK BOOLEAN, AT TIMESTAMP_NTZ, DAY DATE, S VARCHAR, F FLOAT);
INSERT INTO OF_VARIANT SELECT V:n, V:ok, V:at, V:day, V:s, V:f FROM (SELECT PARSE_JSON('{"n": " 1.50 ", "ok": "on", "at": 1704164645, "day": "2024-01-02", "s": 7, "f": "2.5"}') AS V);
SELECT * FROM OF_VARIANT;
--= 1.50 | true | 2024-01-02 03:04:05.000 | 2024-01-02 | 7 | 2.5
INSERT INTO OF_VARIANT (N) SELECT PARSE_JSON('"0x10"');
--! 100038
--~ Numeric value '0x10' is not recognized
