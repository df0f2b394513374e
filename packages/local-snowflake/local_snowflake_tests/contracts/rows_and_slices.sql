-- source: docs.snowflake.com/en/sql-reference/functions/seq1 (Seq1 / Seq2 / Seq4 / Seq8) and generator
SELECT SEQ4() AS X, SEQ8() AS Y, SEQ2() AS Z FROM TABLE(GENERATOR(ROWCOUNT => 3)) V ORDER BY 1;
--= 0 | 0 | 0
--= 1 | 1 | 1
--= 2 | 2 | 2
SELECT MIN(A) AS A, MAX(A) AS B, MIN(B) AS C, MAX(B) AS D, COUNT(*) AS E FROM (SELECT SEQ1() AS A, SEQ1(1) AS B FROM TABLE(GENERATOR(ROWCOUNT => 300)));
--= 0 | 255 | -128 | 127 | 300
-- source: docs.snowflake.com/en/sql-reference/functions/split_to_table
SELECT T.VALUE FROM TABLE(SPLIT_TO_TABLE('a.b', '.')) AS T ORDER BY T.VALUE;
--= a
--= b
CREATE TABLE SPLITTABLE (V VARCHAR);
INSERT INTO SPLITTABLE VALUES ('a.b.c'), ('d'), (NULL);
SELECT V, INDEX, VALUE FROM SPLITTABLE, LATERAL SPLIT_TO_TABLE(SPLITTABLE.V, '.') ORDER BY V, INDEX;
--= a.b.c | 1 | a
--= a.b.c | 2 | b
--= a.b.c | 3 | c
--= d | 1 | d
SELECT COUNT(DISTINCT S.SEQ) AS A, COUNT(*) AS B FROM SPLITTABLE, LATERAL SPLIT_TO_TABLE(V, '.') S;
--= 2 | 4
-- source: docs.snowflake.com/en/sql-reference/functions/time_slice
SELECT TIME_SLICE('2019-02-28'::DATE, 4, 'MONTH', 'START') AS A, TIME_SLICE('2019-02-28'::DATE, 4, 'MONTH', 'END') AS B, TIME_SLICE('2019-02-28 01:02:03.456'::TIMESTAMP_NTZ, 15, 'MINUTE') AS C, TIME_SLICE('2019-02-28 01:02:03.456'::TIMESTAMP_NTZ, 15, 'MINUTE', 'END') AS D;
--= 2019-01-01 | 2019-05-01 | 2019-02-28 01:00:00.000 | 2019-02-28 01:15:00.000
SELECT TIME_SLICE('2024-01-01'::DATE, 0, 'MONTH');
--! 001008
SELECT TIME_SLICE('2024-01-01'::DATE, 1, 'CENTURY');
--! 001008
-- source: docs.snowflake.com/en/sql-reference/constructs/group-by-grouping-sets and .../functions/grouping
SELECT K, GROUPING(K) AS G, GROUPING_ID(K, N) AS I, COUNT(*) AS C FROM (SELECT COLUMN1 AS K, COLUMN2 AS N FROM VALUES (1, 'a'), (2, 'a')) GROUP BY GROUPING SETS ((K), (N), ()) ORDER BY 3, 1;
--= 1 | 0 | 1 | 1
--= 2 | 0 | 1 | 1
--= NULL | 1 | 2 | 2
--= NULL | 1 | 3 | 2
-- source: docs.snowflake.com/en/sql-reference/functions/current_time
SELECT CURRENT_TIME() IS NULL AS A, CURRENT_TIME = LOCALTIME() AS B;
--= false | true
-- source: docs.snowflake.com/en/sql-reference/data-types-datetime#interval-constants
SELECT '2024-01-01'::DATE + INTERVAL '1 day, 2 hours' AS A, '2024-01-01'::DATE + INTERVAL '1 day' AS B, '2024-01-01'::TIMESTAMP_NTZ - INTERVAL '1 year, 3 months' AS C;
--= 2024-01-02 02:00:00.000 | 2024-01-02 | 2022-10-01 00:00:00.000
SELECT '2024-01-01'::DATE + INTERVAL '1 fortnight, 2 hours';
--! 001008
-- source: docs.snowflake.com/en/sql-reference/functions/like_all, like_any, count and .../constructs/order-by
SELECT 'abc' LIKE ALL ('a%', '%c') AS A, 'abc' LIKE ANY ('x%', '%c') AS B, 'ABC' ILIKE ANY ('x%', 'a%') AS C, 'abc' LIKE ALL ('a%', 'x') AS D;
--= true | true | true | false
SELECT COUNT(COLUMN1, COLUMN2) AS A, COUNT(DISTINCT COLUMN1, COLUMN2) AS B, COUNT(*) AS C FROM VALUES (1, 'a'), (1, 'a'), (2, NULL);
--= 2 | 1 | 3
SELECT * FROM VALUES (2, 'a'), (1, 'b') ORDER BY ALL;
--= 1 | b
--= 2 | a
-- source: docs.snowflake.com/en/sql-reference/sql/merge: what is not matched has the columns of the source alone
CREATE TABLE T (ID NUMBER, N VARCHAR);
CREATE TABLE S (ID NUMBER);
INSERT INTO S VALUES (1), (-1);
MERGE INTO T USING S ON T.ID = S.ID WHEN NOT MATCHED AND ID > 0 THEN INSERT (ID, N) VALUES (ID, ID || 'x');
SELECT * FROM T;
--= 1 | 1x
-- session variables have types. source: docs.snowflake.com/en/sql-reference/session-variables
SET V = DATEADD(day, 1, '2024-01-01'::DATE);
SELECT DATEADD(day, 1, $V) AS A, $V = '2024-01-02'::DATE AS B;
--= 2024-01-03 | true
CREATE SEQUENCE Q;
SELECT Q.NEXTVAL;
--# NEXTVAL
