-- Pipes through which the Snowflake Connector for Kafka 4 writes the rows that the loader writes: the RAW contract.
--
-- The connector takes a pipe that has the name of its table (docs.snowflake.com/en/connectors/kafkahp/how-the-connector-works).
-- A record is {"VALUE": <text>, "RECORD_METADATA": {topic, partition, offset, key, headers, CreateTime, ...}}, as
-- dropship-raw.json makes it. Connect does not know a topic's id, so it stands in the pipe: make the pipes again when a
-- topic is made again.
--
-- Run it with the ids that the loader knows (docs/scaling.md):
--   snow sql -f deploy/kafka-connect/raw_pipes.sql -D database=DROPSHIP -D customers_topic_id=... \
--     -D products_topic_id=... -D orders_events_topic_id=...

USE ROLE "<% database %>_TRANSFORMER";
USE DATABASE "<% database %>";

CREATE OR REPLACE PIPE RAW.CUSTOMERS COMMENT = 'Kafka Connect: customers' AS
COPY INTO RAW.CUSTOMERS (
  TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, KEY, VALUE, PAYLOAD, HEADERS, KAFKA_TIMESTAMP, BATCH_ID, INGESTED_AT
)
FROM (
  SELECT
    $1:RECORD_METADATA.topic::VARCHAR,
    '<% customers_topic_id %>',
    $1:RECORD_METADATA.partition::NUMBER(10, 0),
    $1:RECORD_METADATA.offset::NUMBER(19, 0),
    TO_BINARY($1:RECORD_METADATA.key::VARCHAR, 'UTF-8'),
    TO_BINARY($1:VALUE::VARCHAR, 'UTF-8'),
    IFF(CHECK_JSON($1:VALUE::VARCHAR) IS NULL, PARSE_JSON($1:VALUE::VARCHAR), NULL),
    $1:RECORD_METADATA.headers,
    TO_TIMESTAMP_NTZ(NVL($1:RECORD_METADATA.CreateTime, $1:RECORD_METADATA.LogAppendTime)::NUMBER(19, 0), 3),
    'kafka-connect',
    TO_TIMESTAMP_NTZ($1:RECORD_METADATA.SnowflakeConnectorPushTime::NUMBER(19, 0), 3)
  FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING'))
);

CREATE OR REPLACE PIPE RAW.PRODUCTS COMMENT = 'Kafka Connect: products' AS
COPY INTO RAW.PRODUCTS (
  TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, KEY, VALUE, PAYLOAD, HEADERS, KAFKA_TIMESTAMP, BATCH_ID, INGESTED_AT
)
FROM (
  SELECT
    $1:RECORD_METADATA.topic::VARCHAR,
    '<% products_topic_id %>',
    $1:RECORD_METADATA.partition::NUMBER(10, 0),
    $1:RECORD_METADATA.offset::NUMBER(19, 0),
    TO_BINARY($1:RECORD_METADATA.key::VARCHAR, 'UTF-8'),
    TO_BINARY($1:VALUE::VARCHAR, 'UTF-8'),
    IFF(CHECK_JSON($1:VALUE::VARCHAR) IS NULL, PARSE_JSON($1:VALUE::VARCHAR), NULL),
    $1:RECORD_METADATA.headers,
    TO_TIMESTAMP_NTZ(NVL($1:RECORD_METADATA.CreateTime, $1:RECORD_METADATA.LogAppendTime)::NUMBER(19, 0), 3),
    'kafka-connect',
    TO_TIMESTAMP_NTZ($1:RECORD_METADATA.SnowflakeConnectorPushTime::NUMBER(19, 0), 3)
  FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING'))
);

CREATE OR REPLACE PIPE RAW.ORDERS_EVENTS COMMENT = 'Kafka Connect: orders_events' AS
COPY INTO RAW.ORDERS_EVENTS (
  TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, KEY, VALUE, PAYLOAD, HEADERS, KAFKA_TIMESTAMP, BATCH_ID, INGESTED_AT
)
FROM (
  SELECT
    $1:RECORD_METADATA.topic::VARCHAR,
    '<% orders_events_topic_id %>',
    $1:RECORD_METADATA.partition::NUMBER(10, 0),
    $1:RECORD_METADATA.offset::NUMBER(19, 0),
    TO_BINARY($1:RECORD_METADATA.key::VARCHAR, 'UTF-8'),
    TO_BINARY($1:VALUE::VARCHAR, 'UTF-8'),
    IFF(CHECK_JSON($1:VALUE::VARCHAR) IS NULL, PARSE_JSON($1:VALUE::VARCHAR), NULL),
    $1:RECORD_METADATA.headers,
    TO_TIMESTAMP_NTZ(NVL($1:RECORD_METADATA.CreateTime, $1:RECORD_METADATA.LogAppendTime)::NUMBER(19, 0), 3),
    'kafka-connect',
    TO_TIMESTAMP_NTZ($1:RECORD_METADATA.SnowflakeConnectorPushTime::NUMBER(19, 0), 3)
  FROM TABLE(DATA_SOURCE(TYPE => 'STREAMING'))
);

GRANT OPERATE, MONITOR ON PIPE RAW.CUSTOMERS TO ROLE "<% database %>_LOADER";
GRANT OPERATE, MONITOR ON PIPE RAW.PRODUCTS TO ROLE "<% database %>_LOADER";
GRANT OPERATE, MONITOR ON PIPE RAW.ORDERS_EVENTS TO ROLE "<% database %>_LOADER";
