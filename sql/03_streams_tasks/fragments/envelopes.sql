-- RAW -> STAGING: type, validate, reject and leave out what is known, in one statement. The task gives `messages` (the
-- columns of RAW with SOURCE, ATTEMPT, ROW_ID, ENTITY_ID and those of envelope_fields) and `accepted` (what is in
-- STAGING); it goes on from `envelopes`, of which it types the fields of its own and gives what envelope_rules asks for.
-- BROKEN_RULE evaluates the rules in order and keeps the first violation; a field that this contract does not know
--   stays in PAYLOAD. One rule for each kind of value, for all topics: integers are written as TO_VARCHAR writes them, so
--   that a version has one text; amounts are NUMBER(12, 2) and at most a billion; times are UTC with milliseconds, in the
--   years that every client can read; codes are capitals of their exact length. Every column has its target's type in
--   rejected rows too: a multi-table INSERT may convert the rows that WHEN filters out
--   (docs.snowflake.com/en/sql-reference/sql/insert-multi-table).
--   known: the accepted events of the same (entity, version). The same message again (a restored RAW row, replayed
--   offsets) is staged once; the same content again is accepted and changes nothing; other content is a conflict.
--   rejected: messages that are in REJECTED_EVENTS already, and RAW rows of messages that are or were in RETRIED_EVENTS:
--   what counts is what comes of the retry, whose payload may have been corrected.
--   repeated: messages that came more than once, or for one (entity, version), since the last run. The first by topic id,
--   partition and offset is judged now; those with other content wait in RETRIED_EVENTS for the next run, when it is
--   known whether the first was accepted.
keys AS (
  SELECT SOURCE, ROW_ID, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, ATTEMPT, PAYLOAD,
    NVL(ENTITY_ID, '') AS ENTITY_ID,
    NVL(VERSION, 0) AS VERSION
  FROM messages
),
known AS (
  SELECT
    k.ROW_ID,
    COUNT_IF(
      e.TOPIC_ID = k.TOPIC_ID AND e.KAFKA_PARTITION = k.KAFKA_PARTITION AND e.KAFKA_OFFSET = k.KAFKA_OFFSET
    ) > 0 AS IS_STAGED,
    COUNT_IF(e.PAYLOAD <> k.PAYLOAD) > 0 AS IS_OTHER,
    MIN_BY(
      'partition ' || e.KAFKA_PARTITION || ', offset ' || e.KAFKA_OFFSET || ' of topic id ' || e.TOPIC_ID, e.KAFKA_OFFSET
    ) AS PLACE
  FROM keys k
  JOIN accepted e ON e.ENTITY_ID = k.ENTITY_ID AND e.VERSION = k.VERSION
  GROUP BY k.ROW_ID
),
rejected AS (
  SELECT k.ROW_ID
  FROM STAGING.REJECTED_EVENTS r
  JOIN keys k
    ON k.SOURCE = r.SOURCE
    AND k.TOPIC_ID = r.TOPIC_ID
    AND k.KAFKA_PARTITION = r.KAFKA_PARTITION
    AND k.KAFKA_OFFSET = r.KAFKA_OFFSET
  UNION
  SELECT k.ROW_ID
  FROM STAGING.RETRIED_EVENTS r
  JOIN keys k
    ON k.SOURCE = r.SOURCE
    AND k.TOPIC_ID = r.TOPIC_ID
    AND k.KAFKA_PARTITION = r.KAFKA_PARTITION
    AND k.KAFKA_OFFSET = r.KAFKA_OFFSET
  WHERE NOT STARTSWITH(k.ROW_ID, 'retried ')
),
repeated AS (
  SELECT
    k.ROW_ID,
    ROW_NUMBER() OVER (
      PARTITION BY k.TOPIC_ID, k.KAFKA_PARTITION, k.KAFKA_OFFSET ORDER BY k.ATTEMPT DESC, k.ROW_ID
    ) AS COPY,
    k.PAYLOAD <> FIRST_VALUE(k.PAYLOAD) OVER (
      PARTITION BY k.ENTITY_ID, k.VERSION ORDER BY k.TOPIC_ID, k.KAFKA_PARTITION, k.KAFKA_OFFSET, k.ATTEMPT DESC
    ) AS IS_OTHER
  FROM keys k
  JOIN (SELECT ENTITY_ID, VERSION FROM keys GROUP BY ENTITY_ID, VERSION HAVING COUNT(*) > 1) r
    ON r.ENTITY_ID = k.ENTITY_ID AND r.VERSION = k.VERSION
),
envelopes AS (
  SELECT
    messages.*,
    IFF(LENGTH(EVENT_ID_TEXT) = 36, EVENT_ID_TEXT, NULL) AS EVENT_ID,
    TRY_TO_NUMBER(SCHEMA_VERSION_TEXT, 10, 0) AS SCHEMA_VERSION,
    TRY_TO_TIMESTAMP_NTZ(EVENT_TIME_TEXT, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"') AS EVENT_TIME
  FROM messages
)
