-- A text beside a value of another type takes that type, wherever they meet; it is never rounded.
-- source: docs.snowflake.com/en/sql-reference/data-type-conversion (implicit casting)
CREATE TABLE M (S VARCHAR, I NUMBER, N NUMBER(5,2), F FLOAT, D DATE, AT TIMESTAMP_NTZ, T TIME, B BOOLEAN, L TIMESTAMP_LTZ, X BINARY, V VARIANT);
INSERT INTO M SELECT '3', 5, 1, 1.5, '2024-01-01', '2024-01-01 10:00:00', '10:00:00', TRUE, '2024-01-01 10:00:00', TO_BINARY('FF'), 3::VARIANT;
SELECT '1.5' = 2 AS A, '1.4' = 1 AS B, '1.4' IN (1, 2) AS C, CASE '1.4' WHEN 1 THEN 'y' ELSE 'n' END AS D, DECODE('1.4', 1, 'y', 'n') AS E, '1.50' = 1.5 AS F, ' 2 ' = 2 AS G, '-1' < 0 AS H, '1e1' = 10 AS I, '1.4' BETWEEN 1 AND 1 AS J, EQUAL_NULL('1.4', 1) AS K, '1.4' IS DISTINCT FROM 1 AS L;
--= false | false | false | n | n | true | true | true | true | false | false | true
SELECT S || '.4' = 3 AS A, S || '.4' IN (3, 4) AS B, S || '.4' > 3 AS C, S BETWEEN 1 AND 3 AS D, CASE S || '.4' WHEN 3 THEN 1 ELSE 0 END AS E, DECODE(S || '.4', 3, 1, 0) AS F, NULLIF(S || '.4', 3) AS G, S || '.00000001' = 3 AS H FROM M;
--= false | false | true | true | 0 | 0 | 3.40000 | false
SELECT I = '5' AS A, N <> '1.00' AS B, F > '1' AS C, D = '2024-01-01' AS D, AT > '2024-01-01' AS E, B = 'yes' AS F, T = '10:00' AS G, L = '2024-01-01 12:00:00 +0200' AS H, V = '3' AS I FROM M;
--= true | false | true | true | true | true | true | true | true
SELECT A.S FROM M A JOIN M B ON A.S = B.I - 2;
--= 3
SELECT A.S FROM M A JOIN (SELECT '5.4' AS K) B ON A.I = B.K;
--= none
SELECT S FROM M WHERE I IN (SELECT '5');
--= 3
SELECT S FROM M WHERE I IN (SELECT S || '.0' FROM M UNION ALL SELECT '5.4');
--= none
SELECT S FROM M WHERE S = ANY (SELECT 3);
--= 3
SELECT COUNT(*) AS A FROM (SELECT '5' AS I) X JOIN M USING (I);
--! 000002
SELECT 'x' = 1;
--! 100038
--~ Numeric value 'x' is not recognized
SELECT S FROM M WHERE S || 'x' IN (1, 2);
--! 100038
SELECT D = 'x' FROM M;
--! 100040
SELECT D = '2024-13-01' FROM M;
--! 100040
--~ Date '2024-13-01' is not recognized
SELECT AT > '2024-02-30 10:00:00' FROM M;
--! 100035
SELECT T = '25:00:00' FROM M;
--! 100108
--~ Time '25:00:00' is not recognized
SELECT B = 'maybe' FROM M;
--! 100037
SELECT TRUE = 1;
--! 000002
SELECT X = 'FF' FROM M;
--! 000002
-- what gives one of its operands gives one type
SELECT COALESCE(S, 1) AS A, IFF(TRUE, '7', 2) AS B, NVL2(S, 1, '2') AS C, GREATEST('10', 9) AS D, LEAST('10', 9) AS E, ZEROIFNULL(NULLIF('1', 1)) AS F, LAG(I, 1, '0') OVER (ORDER BY I) AS G FROM M;
--= 3.00000 | 7 | 1 | 10 | 9 | 0 | 0
SELECT IFF(TRUE, 'a', 1);
--! 100038
SELECT CASE WHEN I = 5 THEN 'a' ELSE 1 END FROM M;
--! 100038
SELECT CASE WHEN I = 4 THEN D ELSE '2020-01-01' END AS A, COALESCE(AT, '2020-01-01') AS B, IFF(I = 5, 'no', B) AS C FROM M;
--= 2020-01-01 | 2024-01-01 10:00:00.000 | false
SELECT COALESCE(D, 1) FROM M;
--! 001044
SELECT 1 AS A UNION ALL SELECT 'a';
--! 100038
SELECT 1 AS A UNION ALL SELECT '2' ORDER BY 1;
--= 1
--= 2
SELECT I FROM M UNION SELECT S FROM M ORDER BY 1;
--= 3.00000
--= 5.00000
SELECT '2024-01-01' AS A INTERSECT SELECT D FROM M;
--= 2024-01-01
SELECT D FROM M EXCEPT SELECT '2024-01-01';
--= none
SELECT COLUMN1 FROM VALUES (1), ('1.5') ORDER BY 1;
--= 1.0
--= 1.5
SELECT * FROM VALUES (1), ('a');
--! 100038
-- arithmetic. source: docs.snowflake.com/en/sql-reference/functions/sum, avg: a text is cast to a FLOAT
SELECT '1.5' + 1 AS A, 2 * '3' AS B, -'4' AS C, '9' / '2' AS D, MOD('7', 2) AS E, ABS('-5') AS F, ROUND('2.567', 1) AS G, SQRT('4') AS H, CEIL('1.2') AS I, TRUNC('1.29', 1) AS J, 7 % '4' AS K;
--= 2.5 | 6 | -4 | 4.500000 | 1 | 5 | 2.6 | 2.0 | 2 | 1.2 | 3
SELECT S + 1 = 4 AS A, S - S AS B, 10 / S AS C, S * N = 3 AS D, D + '1' AS E, SUM(S) OVER () AS F FROM M;
--= true | 0.00000 | 3.333333 | true | 2024-01-02 | 3.0
SELECT AVG(S) AS A, SUM(S) AS B, MEDIAN(S) AS C, MAX(S) AS D FROM M;
--= 3.0 | 3.0 | 3.0 | 3
SELECT (S || '.1234567') + 1 FROM M;
--! 000002
--~ more than 5 digits after the point
SELECT SUM('x');
--! 100038
SELECT ABS(D) FROM M;
--! 001044
--~ Invalid argument types for function 'ABS': (DATE)
SELECT B + 1 FROM M;
--! 001044
-- into a column. source: docs.snowflake.com/en/sql-reference/sql/insert: a value that is not of the column's type
INSERT INTO M (D) VALUES (5);
--! 002023
--~ expecting DATE but got NUMBER(38,0) for column D
INSERT INTO M (I) SELECT D FROM M;
--! 002023
INSERT INTO M (X) SELECT I FROM M;
--! 002023
INSERT INTO M (T) SELECT D FROM M;
--! 002023
INSERT INTO M (I) VALUES (1), ('x');
--! 100038
UPDATE M SET D = 5;
--! 002023
MERGE INTO M USING (SELECT 1 AS K) Q ON M.I = Q.K WHEN NOT MATCHED THEN INSERT (D) VALUES (Q.K);
--! 002023
UPDATE M SET N = '9.567' WHERE S = 3;
MERGE INTO M USING (SELECT '5' AS K) Q ON M.I = Q.K WHEN MATCHED THEN UPDATE SET F = '2.5', T = '11:30';
SELECT N, F, T FROM M;
--= 9.57 | 2.5 | 11:30:00
DELETE FROM M WHERE I = '5.4';
SELECT COUNT(*) AS N FROM M;
--= 1
-- explicit casts between types that are not cast to one another
SELECT 5::DATE;
--! 001007
--~ invalid type [NUMBER(38,0)] for parameter 'TO_DATE'
SELECT D::NUMBER FROM M;
--! 001007
SELECT TO_TIME(I) FROM M;
--! 001007
SELECT 'x'::FLOAT;
--! 100038
SELECT TRY_CAST('1_0' AS FLOAT) AS A, '10:30'::TIME AS B, TRY_TO_TIME('x') AS C, 'NaN'::FLOAT AS D;
--= NULL | 10:30:00 | NULL | nan
