-- What becomes of each message: `judged` is the task's, with BROKEN_RULE.
SELECT
  j.*,
  SYSDATE() AS JUDGED_AT,
  'deferred' AS RETRY_ID,
  CASE
    WHEN j.BROKEN_RULE IS NOT NULL THEN j.BROKEN_RULE
    WHEN n.IS_OTHER
      THEN 'conflict: version ' || j.VERSION || ' of ' || j.ENTITY_ID || ' is known with other content, from ' || n.PLACE
  END AS REJECT_REASON,
  n.ROW_ID IS NULL AND r.IS_OTHER AS IS_DEFERRED
FROM judged j
LEFT JOIN known n ON n.ROW_ID = j.ROW_ID
LEFT JOIN repeated r ON r.ROW_ID = j.ROW_ID
LEFT JOIN rejected x ON x.ROW_ID = j.ROW_ID
WHERE x.ROW_ID IS NULL AND NVL(NOT n.IS_STAGED, TRUE) AND NVL(r.COPY, 1) = 1
