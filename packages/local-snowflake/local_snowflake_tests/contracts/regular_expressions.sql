-- Regular expressions. source: docs.snowflake.com/en/sql-reference/functions/regexp_substr, regexp_replace, regexp_instr, regexp_count
SELECT REGEXP_SUBSTR('abc', 'x') AS A, REGEXP_SUBSTR(NULL, 'x') AS B, REGEXP_SUBSTR('abc', NULL) AS C, REGEXP_SUBSTR('abcb', 'b', 1, 3) AS D, REGEXP_SUBSTR(123, '2') AS E, REGEXP_SUBSTR('xABC', 'b', 1, 1, 'i') AS F, REGEXP_SUBSTR('ABC', 'b', 1, 1, 'ic') AS G, REGEXP_SUBSTR('abc', 'a', 2) AS H;
--= NULL | NULL | NULL | NULL | 2 | B | NULL | NULL
SELECT REGEXP_REPLACE('aaa', 'a', 'b') AS A, REGEXP_REPLACE('aaa', 'a', 'b', 1, 2) AS B, REGEXP_REPLACE('aaa', 'a', 'b', 2) AS C, REGEXP_REPLACE('aba', 'a') AS D, REGEXP_REPLACE('aaa', 'a', 'b', 2, 2) AS E, REGEXP_REPLACE('aaa', 'a', 'b', 1, 4) AS F, REGEXP_REPLACE('abAB', 'B', 'x', 1, 0, 'i') AS G, REGEXP_REPLACE('x-y', '(x)-(y)', '\\2 \\1') AS H, REGEXP_REPLACE('a', NULL, 'b') AS I;
--= bbb | aba | abb | b | aab | aaa | axAx | y x | NULL
SELECT REGEXP_REPLACE('firstname middlename lastname', '(.*) (.*) (.*)', '\\3, \\1 \\2') AS A, REGEXP_REPLACE('It was the best of times, it was the worst of times', 'times', 'days', 1, 2) AS B, REGEXP_REPLACE('It was the best of times, it was the worst of times', '( ){1,}', '') AS C;
--= lastname, firstname middlename | It was the best of times, it was the worst of days | Itwasthebestoftimes,itwastheworstoftimes
SELECT REGEXP_INSTR('nevermore1, nevermore2, nevermore3.', 'nevermore') AS A, REGEXP_INSTR('nevermore1, nevermore2, nevermore3.', 'nevermore', 5) AS B, REGEXP_INSTR('nevermore1, nevermore2, nevermore3.', 'nevermore', 1, 3) AS C, REGEXP_INSTR('nevermore1, nevermore2, nevermore3.', 'nevermore', 1, 3, 1) AS D, REGEXP_INSTR('nevermore1, nevermore2, nevermore3.', 'nevermore', 1, 4) AS E, REGEXP_INSTR(NULL, 'x') AS F, REGEXP_INSTR('aXbx', 'x', 1, 2, 0, 'i') AS G;
--= 1 | 13 | 25 | 34 | 0 | NULL | 4
SELECT REGEXP_COUNT('It was the best of times, it was the worst of times', '\\bwas\\b', 1) AS A, REGEXP_COUNT('aXbx', 'x') AS B, REGEXP_COUNT('aXbx', 'x', 1, 'i') AS C, REGEXP_COUNT('aXbX', 'X', 3) AS D, REGEXP_COUNT(NULL, 'x') AS E;
--= 2 | 1 | 2 | 1 | NULL
SELECT REGEXP_LIKE('abc', '[a');
--! 100048
--~ Invalid regular expression
SELECT REGEXP_SUBSTR('abc', '(?=a)a');
--! 100048
SELECT REGEXP_INSTR('abc', '(b)', 1, 1, 0, 'e');
--! 000002
SELECT REGEXP_SUBSTR('a');
--! 000939
