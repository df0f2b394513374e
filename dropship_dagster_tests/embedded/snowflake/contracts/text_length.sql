-- The length of a VARCHAR. source: docs.snowflake.com/en/sql-reference/data-types-text
CREATE TABLE SHORT (A VARCHAR(3), B CHAR, C NUMBER);
INSERT INTO SHORT VALUES ('abc', 'é', 1), ('123', NULL, 2);
INSERT INTO SHORT (A) VALUES ('abcd');
--! 100078
--~ String 'abcd' is too long and would be truncated
INSERT INTO SHORT (B) SELECT 'xy';
--! 100078
INSERT INTO SHORT (A) SELECT PARSE_JSON('{"k": "long"}'):k::VARCHAR;
--! 100078
UPDATE SHORT SET A = A || 'd' WHERE C = 1;
--! 100078
UPDATE SHORT SET A = 'xyz', C = 3 WHERE C = 1;
MERGE INTO SHORT T USING (SELECT 2 AS K, 'wxyz' AS V) S ON T.C = S.K WHEN MATCHED THEN UPDATE SET A = S.V;
--! 100078
INSERT ALL INTO SHORT (A, C) VALUES (V, 9) INTO SHORT (B) VALUES (V) SELECT 'uvw' AS V;
--! 100078
SELECT * FROM SHORT ORDER BY C;
--= 123 | NULL | 2
--= xyz | é | 3
ALTER TABLE SHORT ADD COLUMN D VARCHAR(2);
INSERT INTO SHORT (D) VALUES ('abc');
--! 100078
-- a cast cuts
SELECT 'abcdef'::VARCHAR(3) AS A, CAST(12345 AS VARCHAR(2)) AS B, 'a'::VARCHAR(3) AS C;
--= abc | 12 | a
