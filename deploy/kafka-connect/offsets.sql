-- OPS.KAFKA_OFFSETS moved to where the connector got. A channel delivers a partition in order, but it drops a row that the
-- pipe cannot write and goes on (ON_ERROR = CONTINUE, the only value of Snowpipe Streaming's high-performance
-- architecture), so there may be holes before the greatest offset. Nothing here records them as known: run `dropship verify`
-- next, which reports each, and only then let the loader take over from the connector.

UPDATE OPS.KAFKA_OFFSETS
SET NEXT_OFFSET = loaded.NEXT_OFFSET, LAST_BATCH_ID = 'kafka-connect', UPDATED_AT = SYSDATE()
FROM (
  SELECT TOPIC_ID, KAFKA_PARTITION, MAX(KAFKA_OFFSET) + 1 AS NEXT_OFFSET FROM RAW.CUSTOMERS GROUP BY 1, 2
  UNION ALL
  SELECT TOPIC_ID, KAFKA_PARTITION, MAX(KAFKA_OFFSET) + 1 AS NEXT_OFFSET FROM RAW.PRODUCTS GROUP BY 1, 2
  UNION ALL
  SELECT TOPIC_ID, KAFKA_PARTITION, MAX(KAFKA_OFFSET) + 1 AS NEXT_OFFSET FROM RAW.ORDERS_EVENTS GROUP BY 1, 2
) loaded
WHERE OPS.KAFKA_OFFSETS.TOPIC_ID = loaded.TOPIC_ID
  AND OPS.KAFKA_OFFSETS.KAFKA_PARTITION = loaded.KAFKA_PARTITION
  AND OPS.KAFKA_OFFSETS.NEXT_OFFSET < loaded.NEXT_OFFSET;
