-- source: docs.snowflake.com/en/user-guide/querying-semistructured
CREATE TABLE T (ID NUMBER, V VARIANT);
INSERT INTO T SELECT 1, PARSE_JSON('{"name": "Ann", "age": 31, "tags": ["a", "b"], "none": null, "price": "12.50", "deep": {"Key": [1, {"x": true}]}}');
INSERT INTO T SELECT 2, PARSE_JSON('{"name": "Bob", "age": 4, "tags": []}');
SELECT V:name AS A, V:name::VARCHAR AS B, V:deep.Key[1].x AS C, V['age'] AS D, V:deep['Key'][0]::INTEGER AS E, V:missing AS F FROM T WHERE ID = 1;
--= "Ann" | Ann | true | 31 | 1 | NULL
-- names are case-sensitive
SELECT V:deep.key AS A FROM T WHERE ID = 1;
--= NULL
-- JSON null is not SQL NULL until it is cast
SELECT V:none AS A, V:none IS NULL AS B, V:none::VARCHAR IS NULL AS C, IS_NULL_VALUE(V:none) AS D, V:missing IS NULL AS E FROM T WHERE ID = 1;
--= null | false | true | true | true
SELECT V:price::NUMBER(12,2) + 1 AS A, V:age::NUMBER * 2 AS B, UPPER(V:name) AS C, V:name || '!' AS D FROM T WHERE ID = 1;
--= 13.50 | 62 | ANN | Ann!
SELECT ID FROM T WHERE V:name = 'Ann';
--= 1
SELECT ID FROM T WHERE V:age > 5 ORDER BY ID;
--= 1
SELECT ID FROM T WHERE V:name IN ('Bob', 'Zoe') AND V:age BETWEEN 1 AND 9;
--= 2
SELECT PARSE_JSON('{"d": "2024-02-01", "t": true}'):d > '2024-01-01'::DATE AS A, PARSE_JSON('{"t": true}'):t = TRUE AS B;
--= true | true
SELECT TYPEOF(V) AS A, TYPEOF(V:age) AS B, TYPEOF(V:tags) AS C, TYPEOF(V:none) AS D, TYPEOF(V:missing) AS E, TYPEOF(V:name) AS F, TYPEOF(PARSE_JSON('1.5')) AS G, TYPEOF(PARSE_JSON('true')) AS H FROM T WHERE ID = 1;
--= OBJECT | INTEGER | ARRAY | NULL_VALUE | NULL | VARCHAR | DECIMAL | BOOLEAN
SELECT V:age + 1 FROM T;
--! 000002
--~ not supported by the local warehouse: arithmetic on a VARIANT
SELECT * FROM T ORDER BY V:age;
--! 000002
SELECT SUM(V:age) FROM T;
--! 000002
-- FLATTEN. source: docs.snowflake.com/en/sql-reference/functions/flatten
SELECT T.ID, F.INDEX, F.KEY, F.PATH, F.VALUE::VARCHAR AS TAG FROM T, LATERAL FLATTEN(INPUT => T.V:tags) F ORDER BY 1, 2;
--= 1 | 0 | NULL | [0] | a
--= 1 | 1 | NULL | [1] | b
SELECT T.ID, F.INDEX, F.VALUE FROM T, LATERAL FLATTEN(INPUT => T.V:tags, OUTER => TRUE) F ORDER BY 1, 2;
--= 1 | 0 | "a"
--= 1 | 1 | "b"
--= 2 | NULL | NULL
SELECT KEY, VALUE FROM TABLE(FLATTEN(INPUT => PARSE_JSON('{"b": 2, "a": [1]}'))) ORDER BY KEY;
--= a | [1]
--= b | 2
SELECT F.VALUE FROM T, TABLE(FLATTEN(T.V:tags)) F WHERE T.ID = 1 ORDER BY F.INDEX;
--= "a"
--= "b"
SELECT E.VALUE:x::VARCHAR AS A, SUM(E.VALUE:y::NUMBER) AS B FROM (SELECT PARSE_JSON('[{"x": "p", "y": 1}, {"x": "p", "y": 2}]') AS J) S, LATERAL FLATTEN(INPUT => S.J) E GROUP BY 1;
--= p | 3
-- construction
SELECT OBJECT_CONSTRUCT('a', 1, 'b', NULL) AS A, OBJECT_CONSTRUCT_KEEP_NULL('b', NULL) AS B, ARRAY_CONSTRUCT(1, 'x') AS C, ARRAY_SIZE(PARSE_JSON('[1, 2]')) AS D, ARRAY_SIZE(PARSE_JSON('{}')) AS E, OBJECT_CONSTRUCT() AS F;
--= {"a":1} | {"b":null} | [1,"x"] | 2 | NULL | {}
SELECT ARRAY_AGG(ID) WITHIN GROUP (ORDER BY ID DESC) AS A, ARRAY_SIZE(ARRAY_AGG(V:missing)) AS B, OBJECT_AGG(V:name::VARCHAR, V:age) AS C FROM T WHERE ID = 1;
--= [1] | 0 | {"Ann":31}
SELECT ARRAY_AGG(ID) AS A FROM T WHERE FALSE;
--= []
SELECT TRY_PARSE_JSON('{') AS A, PARSE_JSON('') AS B, TO_JSON(PARSE_JSON('{"a":1}')) AS C, TO_VARIANT('x') AS D, GET(PARSE_JSON('[5]'), 0) AS E, GET_PATH(PARSE_JSON('{"a":{"b":2}}'), 'a.b') AS F;
--= NULL | NULL | {"a":1} | "x" | 5 | 2
-- what is no JSON is NULL for its row alone, whether a column is parsed or more; what fails before is an error
SELECT ID, TRY_PARSE_JSON(X) AS A, TRY_PARSE_JSON(X::VARCHAR) AS B, TRY_PARSE_JSON(TRIM(X)) AS C FROM (SELECT column1 AS ID, column2 AS X FROM VALUES (1, '{"a": 1}'), (2, '{"a": '), (3, NULL), (4, ''), (5, ' [1] ')) T ORDER BY ID;
--= 1 | {"a":1} | {"a":1} | {"a":1}
--= 2 | NULL | NULL | NULL
--= 3 | NULL | NULL | NULL
--= 4 | NULL | NULL | NULL
--= 5 | [1] | [1] | [1]
SELECT TRY_PARSE_JSON(N) AS A FROM (SELECT (ID / 0)::VARCHAR AS N FROM T WHERE ID = 1) S;
--! 100051
SELECT TRY_PARSE_JSON((ID / 0)::VARCHAR) AS A FROM T WHERE ID = 1;
--! 100051
SELECT PARSE_JSON('{');
--! 100069
SELECT ARRAY_CONTAINS('a'::VARIANT, PARSE_JSON('["a", "b"]')) AS A, SPLIT('a,b', ',') AS B, ARRAY_TO_STRING(PARSE_JSON('["a", 1]'), '-') AS C, OBJECT_KEYS(PARSE_JSON('{"k": 1}')) AS D;
--= true | ["a","b"] | a-1 | ["k"]
-- text is no VARIANT
INSERT INTO T SELECT 3, 'text';
--! 002023
INSERT INTO T SELECT 3, 'text'::VARIANT;
SELECT V, TYPEOF(V) AS K FROM T WHERE ID = 3;
--= "text" | VARCHAR
-- correlated subqueries know the types of the outer query
SELECT ID FROM T WHERE EXISTS (SELECT 1 FROM (SELECT 'text' AS X) S WHERE T.V = S.X);
--= 3
SELECT (SELECT T.V::VARCHAR) AS A, (SELECT MAX(T.ID / S.N) FROM (SELECT 2 AS N) S) AS B FROM T WHERE ID = 3;
--= text | 1.500000
-- a number is a value, without the zeros at its end
SELECT PARSE_JSON('1.50') AS A, PARSE_JSON('{"a": 1.50}'):a::NUMBER(10,2) AS B, PARSE_JSON('12345678901234567890') AS C, PARSE_JSON('1.50')::VARCHAR AS D;
--= 1.5 | 1.50 | 12345678901234567890 | 1.5
-- a text beside a VARIANT is not read as JSON
SELECT COALESCE(V:missing, '1') FROM T;
--! 000002
SELECT IFF(TRUE, '1', V:age) FROM T;
--! 000002
SELECT CASE WHEN ID = 1 THEN V:age ELSE '1' END FROM T;
--! 000002
SELECT COALESCE(V:missing, '1'::VARIANT) AS A, COALESCE(V:missing::VARCHAR, '1') AS B, NVL(V:missing, 1) AS C, CASE ID WHEN 1 THEN V:age END AS D FROM T WHERE ID = 1;
--= "1" | 1 | 1 | 31
-- an outer join without a condition keeps the rows without a match
SELECT T.ID, F.VALUE::VARCHAR AS TAG FROM T LEFT JOIN LATERAL FLATTEN(INPUT => T.V:tags) F WHERE T.ID < 3 ORDER BY 1, 2;
--= 1 | a
--= 1 | b
--= 2 | NULL
-- FLATTEN in MODE, with any key, and of values that are JSON's null: that is no SQL NULL.
-- source: docs.snowflake.com/en/user-guide/semistructured-considerations (NULL values)
CREATE TABLE K (ID NUMBER, V VARIANT);
INSERT INTO K SELECT 1, PARSE_JSON('{"*": 1, "": 2, "a\\"b": null, "b.c": 3, "é✓": [null, 1], "a/b": 4, "~x": 5, "it''s": 6, "\\\\": 7, "[0]": 8, "0": 9, "-1": 10}') UNION ALL SELECT 2, PARSE_JSON('["a", null]') UNION ALL SELECT 3, PARSE_JSON('7') UNION ALL SELECT 4, NULL;
SELECT F.KEY || '.' AS KEY, F.VALUE, F.VALUE IS NULL AS N FROM K, LATERAL FLATTEN(INPUT => V) F WHERE ID = 1 ORDER BY F.KEY;
--= . | 2 | false
--= *. | 1 | false
--= -1. | 10 | false
--= 0. | 9 | false
--= [0]. | 8 | false
--= \. | 7 | false
--= a"b. | null | false
--= a/b. | 4 | false
--= b.c. | 3 | false
--= it's. | 6 | false
--= ~x. | 5 | false
--= é✓. | [null,1] | false
SELECT F.KEY, GET(V, F.KEY) = F.VALUE AS SAME FROM K, LATERAL FLATTEN(INPUT => V) F WHERE ID = 1 AND GET(V, F.KEY)::VARCHAR IS DISTINCT FROM F.VALUE::VARCHAR;
--= none
SELECT V['*'], V[''], V['a"b'], V:"b.c", V['é✓'][1], V['a/b'], V['~x'], V['it''s'], V['\\'], V['[0]'], V['0'], V['-1'] FROM K WHERE ID = 1;
--= 1 | 2 | null | 3 | 1 | 4 | 5 | 6 | 7 | 8 | 9 | 10
SELECT V['*']::NUMBER + 1 AS A, V['é✓'][-1] AS B, V['é✓'][7] AS C, GET(V['é✓'], -1) AS D, GET(V['é✓'], 1) AS E FROM K WHERE ID = 1;
--= 2 | NULL | NULL | NULL | 1
-- source: docs.snowflake.com/en/sql-reference/functions/get (NULL outside of the array)
SELECT PARSE_JSON('[1, 2, 3]')[-1] AS A, PARSE_JSON('[1, 2, 3]')[0] AS B, GET(PARSE_JSON('{"0": 1}'), 0) AS C, GET(PARSE_JSON('[5]'), '0') AS D;
--= NULL | 1 | NULL | NULL
SELECT INDEX, VALUE, VALUE IS NULL AS N, IS_NULL_VALUE(VALUE) AS J FROM K, LATERAL FLATTEN(INPUT => V, MODE => 'ARRAY') F ORDER BY INDEX;
--= 0 | "a" | false | false
--= 1 | null | false | true
SELECT ID, KEY FROM K, LATERAL FLATTEN(INPUT => V, MODE => 'OBJECT') F WHERE KEY = '*';
--= 1 | *
SELECT * FROM (SELECT ID, V FROM K WHERE ID = 2) S, LATERAL FLATTEN(INPUT => S.V) F ORDER BY INDEX;
--# ID | V | SEQ | KEY | PATH | INDEX | VALUE | THIS
SELECT * EXCLUDE (SEQ) FROM (SELECT ID, V FROM K WHERE ID = 2) S, LATERAL FLATTEN(INPUT => S.V) F ORDER BY INDEX;
--= 2 | ["a",null] | NULL | [0] | 0 | "a" | ["a",null]
--= 2 | ["a",null] | NULL | [1] | 1 | null | ["a",null]
SELECT * EXCLUDE (V, SEQ, THIS, PATH, KEY) FROM K JOIN LATERAL FLATTEN(INPUT => V, OUTER => TRUE, MODE => 'ARRAY') F ORDER BY ID, INDEX;
--# ID | INDEX | VALUE
--= 1 | NULL | NULL
--= 2 | 0 | "a"
--= 2 | 1 | null
--= 3 | NULL | NULL
--= 4 | NULL | NULL
SELECT A.INDEX, B.INDEX, B.VALUE FROM (SELECT PARSE_JSON('[[1, 2], [3]]') AS M) S, LATERAL FLATTEN(S.M) A, LATERAL FLATTEN(A.VALUE) B ORDER BY 1, 2;
--= 0 | 0 | 1
--= 0 | 1 | 2
--= 1 | 0 | 3
SELECT COUNT(*) AS N FROM (SELECT * FROM K WHERE EXISTS (SELECT 1 FROM LATERAL FLATTEN(INPUT => K.V) F WHERE F.VALUE::VARCHAR = 'a'));
--= 1
-- VARIANTs are equal by value: an object has no order of keys, a number no digits of its text, and types differ.
-- source: docs.snowflake.com/en/sql-reference/data-types-semistructured#object
SELECT PARSE_JSON('{"a": 1, "b": [1, {"x": 2, "y": null}]}') = PARSE_JSON('{"b":[1.0,{"y":null,"x":2}],"a":1}') AS A, PARSE_JSON('[1,2]') = PARSE_JSON('[2,1]') AS B, PARSE_JSON('{"a":1}') <> PARSE_JSON('{"a":"1"}') AS C, PARSE_JSON('{"a":true}') = PARSE_JSON('{"a":1}') AS D, PARSE_JSON('{"a":null}') = PARSE_JSON('{}') AS E;
--= true | false | true | false | false
SELECT 1::VARIANT = 1.0::VARIANT AS A, PARSE_JSON(NULL) = 1::VARIANT AS B, PARSE_JSON('{"k": 0.30}'):k <> PARSE_JSON('{"k": 0.3}'):k AS C;
--= true | NULL | false
