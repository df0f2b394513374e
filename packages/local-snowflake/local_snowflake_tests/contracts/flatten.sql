-- FLATTEN's columns, PATH, RECURSIVE, OUTER and SEQ. source: docs.snowflake.com/en/sql-reference/functions/flatten
SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON('[1, ,77]'))) F;
--! 100069
SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON('{"a":1, "b":[77,88]}'), OUTER => TRUE)) F;
--# SEQ | KEY | PATH | INDEX | VALUE | THIS
--= 1 | a | a | NULL | 1 | {"a":1,"b":[77,88]}
--= 1 | b | b | NULL | [77,88] | {"a":1,"b":[77,88]}
SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON('{"a":1, "b":[77,88]}'), PATH => 'b')) F;
--= 1 | NULL | b[0] | 0 | 77 | [77,88]
--= 1 | NULL | b[1] | 1 | 88 | [77,88]
SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON('[]'))) F;
--= none
SELECT SEQ, KEY, PATH = '' AS P, INDEX, VALUE, THIS FROM TABLE(FLATTEN(INPUT => PARSE_JSON('[]'), OUTER => TRUE)) F;
--= 1 | NULL | true | NULL | NULL | []
SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON('{"a":1, "b":[77,88], "c": {"d":"X"}}'))) F;
--= 1 | a | a | NULL | 1 | {"a":1,"b":[77,88],"c":{"d":"X"}}
--= 1 | b | b | NULL | [77,88] | {"a":1,"b":[77,88],"c":{"d":"X"}}
--= 1 | c | c | NULL | {"d":"X"} | {"a":1,"b":[77,88],"c":{"d":"X"}}
SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON('{"a":1, "b":[77,88], "c": {"d":"X"}}'), RECURSIVE => TRUE)) F;
--= 1 | a | a | NULL | 1 | {"a":1,"b":[77,88],"c":{"d":"X"}}
--= 1 | b | b | NULL | [77,88] | {"a":1,"b":[77,88],"c":{"d":"X"}}
--= 1 | NULL | b[0] | 0 | 77 | [77,88]
--= 1 | NULL | b[1] | 1 | 88 | [77,88]
--= 1 | c | c | NULL | {"d":"X"} | {"a":1,"b":[77,88],"c":{"d":"X"}}
--= 1 | d | c.d | NULL | "X" | {"d":"X"}
SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON('{"a":1, "b":[77,88], "c": {"d":"X"}}'), RECURSIVE => TRUE, MODE => 'OBJECT')) F;
--= 1 | a | a | NULL | 1 | {"a":1,"b":[77,88],"c":{"d":"X"}}
--= 1 | b | b | NULL | [77,88] | {"a":1,"b":[77,88],"c":{"d":"X"}}
--= 1 | c | c | NULL | {"d":"X"} | {"a":1,"b":[77,88],"c":{"d":"X"}}
--= 1 | d | c.d | NULL | "X" | {"d":"X"}
-- an empty PATH is the whole; one of several steps, and keys that are no names
SELECT PATH, VALUE FROM TABLE(FLATTEN(INPUT => PARSE_JSON('[1]'), PATH => ''));
--= [0] | 1
SELECT PATH, VALUE FROM TABLE(FLATTEN(INPUT => PARSE_JSON('{"a": [{"x y": [1]}]}'), PATH => 'a[0]', RECURSIVE => TRUE));
--= a[0]['x y'] | [1]
--= a[0]['x y'][0] | 1
SELECT PATH FROM TABLE(FLATTEN(INPUT => PARSE_JSON('{"a": {"b": [7]}}'), PATH => 'a.b'));
--= a.b[0]
SELECT PATH FROM TABLE(FLATTEN(INPUT => PARSE_JSON('{"a": 1}'), PATH => 'a..b'));
--! 001008
-- columns by other names
SELECT A, E, F.C FROM TABLE(FLATTEN(PARSE_JSON('[5]'))) AS F (A, B, C, D, E, G);
--= 1 | 5 | [0]
-- SEQ tells the inputs apart, equal ones too; rows without a match have none
CREATE TABLE T AS SELECT COLUMN1 AS ID, PARSE_JSON(COLUMN2) AS V FROM VALUES (1, '[1,2]'), (1, '[1,2]'), (2, '[]'), (3, NULL);
SELECT COUNT(DISTINCT F.SEQ) AS A, COUNT(*) AS B FROM T, LATERAL FLATTEN(T.V) F;
--= 2 | 4
SELECT COUNT(DISTINCT SEQ) AS A, COUNT(*) AS B FROM T, TABLE(FLATTEN(T.V, OUTER => TRUE));
--= 4 | 6
SELECT COUNT(DISTINCT F.SEQ) AS A, COUNT(F.SEQ) AS B, COUNT(*) AS C FROM T LEFT JOIN LATERAL FLATTEN(T.V) F;
--= 2 | 4 | 6
SELECT N, COUNT(*) AS C FROM (SELECT SEQ, COUNT(*) AS N FROM T, LATERAL FLATTEN(T.V) GROUP BY SEQ) GROUP BY N;
--= 2 | 2
SELECT A.SEQ = B.SEQ AS SAME, B.VALUE FROM (SELECT PARSE_JSON('[[1, 2]]') AS M) S, LATERAL FLATTEN(S.M) A, LATERAL FLATTEN(A.VALUE) B ORDER BY 2;
--= false | 1
--= false | 2
SELECT ID, F.PATH FROM T, LATERAL FLATTEN(INPUT => OBJECT_CONSTRUCT('k', T.V), PATH => 'k') F WHERE F.INDEX = 1;
--= 1 | k[1]
--= 1 | k[1]
