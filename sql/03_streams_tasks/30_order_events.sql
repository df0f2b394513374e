-- deploy: on change
--
-- The events of the orders: RAW.ORDERS_EVENTS -> STAGING.ORDER_EVENTS.

USE ROLE "<% database %>_TRANSFORMER";
USE DATABASE "<% database %>";
USE WAREHOUSE "<% warehouse %>";

CREATE STREAM IF NOT EXISTS RAW.ORDERS_EVENTS_STREAM ON TABLE RAW.ORDERS_EVENTS APPEND_ONLY = TRUE
  COMMENT = 'For OPS.STAGE_ORDER_EVENTS';
CREATE STREAM IF NOT EXISTS STAGING.RETRIED_ORDERS_EVENTS_STREAM ON TABLE STAGING.RETRIED_EVENTS APPEND_ONLY = TRUE
  COMMENT = 'For OPS.STAGE_ORDER_EVENTS';

CREATE OR REPLACE TASK OPS.STAGE_ORDER_EVENTS
  WAREHOUSE = "<% warehouse %>"
  COMMENT = 'RAW.ORDERS_EVENTS -> STAGING.ORDER_EVENTS or STAGING.REJECTED_EVENTS'
AFTER OPS.REFRESH
AS
INSERT FIRST
<% reject_or_defer %>
  ELSE
    INTO STAGING.ORDER_EVENTS (
      TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, BATCH_ID, INGESTED_AT,
      EVENT_ID, EVENT_TYPE, SCHEMA_VERSION, ORDER_ID, VERSION, EVENT_TIME,
      CUSTOMER_ID, CHANNEL, COUNTRY, CURRENCY, EXCHANGE_RATE, PAYMENT_METHOD, DISCOUNT_CODE,
      DISCOUNT, SHIPPING_FEE, TOTAL, PROMISED_AT, LINE_COUNT, UNITS, LINES_COST,
      CARRIER, TRACKING_NUMBER, REASON, REFUNDED_AMOUNT, PAYLOAD
    ) VALUES (
      TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, BATCH_ID, INGESTED_AT,
      EVENT_ID, EVENT_TYPE, SCHEMA_VERSION, ENTITY_ID, VERSION, EVENT_TIME,
      CUSTOMER_ID, CHANNEL, COUNTRY, CURRENCY, EXCHANGE_RATE, PAYMENT_METHOD, DISCOUNT_CODE,
      DISCOUNT, SHIPPING_FEE, TOTAL, PROMISED_AT, LINE_COUNT, UNITS, LINES_COST,
      CARRIER, TRACKING_NUMBER, REASON, REFUNDED_AMOUNT, PAYLOAD
    )
SELECT * FROM (
WITH messages AS (
  SELECT
    arrived.*,
    PAYLOAD:order_id::VARCHAR AS ENTITY_ID,
<% envelope_fields %>
  FROM (
    SELECT 'ORDERS_EVENTS' AS SOURCE, TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, KEY, VALUE, PAYLOAD, HEADERS,
      KAFKA_TIMESTAMP, BATCH_ID, INGESTED_AT, 1 AS ATTEMPT, METADATA$ROW_ID AS ROW_ID
    FROM RAW.ORDERS_EVENTS_STREAM
    UNION ALL
    SELECT SOURCE, TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, KEY, VALUE, PAYLOAD, HEADERS, KAFKA_TIMESTAMP,
      BATCH_ID, INGESTED_AT, ATTEMPT, 'retried ' || METADATA$ROW_ID
    FROM STAGING.RETRIED_ORDERS_EVENTS_STREAM
    WHERE SOURCE = 'ORDERS_EVENTS'
  ) arrived
),
accepted AS (
  SELECT ORDER_ID AS ENTITY_ID, VERSION, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, PAYLOAD FROM STAGING.ORDER_EVENTS
),
<% envelopes %>,
-- The fields of a kind of event are read only from events of that kind.
carts AS (
  SELECT ROW_ID, PAYLOAD:lines AS LINES
  FROM messages
  WHERE EVENT_TYPE = 'order_placed'
),
lines AS (
  SELECT
    c.ROW_ID,
    l.VALUE:line_no::VARCHAR AS LINE_NO_TEXT,
    l.VALUE:product_id::VARCHAR AS PRODUCT_ID,
    IFF(CONTAINS('{[-tf0123456789', LEFT(PRODUCT_ID, 1)), TYPEOF(l.VALUE:product_id) <> 'VARCHAR', FALSE) AS IS_NO_TEXT,
    l.VALUE:quantity::VARCHAR AS QUANTITY_TEXT,
    TRY_TO_DECIMAL(l.VALUE:unit_price::VARCHAR, 12, 2) AS UNIT_PRICE,
    TRY_TO_DECIMAL(l.VALUE:unit_cost::VARCHAR, 12, 2) AS UNIT_COST
  FROM carts c, LATERAL FLATTEN(input => c.LINES, mode => 'ARRAY') l
),
-- No order has more than a million units, so a quantity of more digits needs no sum.
typed_lines AS (
  SELECT
    lines.*,
    TRY_TO_NUMBER(LINE_NO_TEXT, 10, 0) AS LINE_NO,
    TRY_TO_NUMBER(QUANTITY_TEXT, 7, 0) AS QUANTITY
  FROM lines
),
orders AS (
  SELECT
    ROW_ID,
    COUNT(*) AS LINE_COUNT,
    COUNT(DISTINCT LINE_NO) AS LINE_NUMBERS,
    SUM(QUANTITY) AS UNITS,
    SUM(QUANTITY * UNIT_PRICE) AS GOODS,
    SUM(QUANTITY * UNIT_COST) AS LINES_COST,
    MIN(CASE
      WHEN LINE_NO IS NULL OR TO_VARCHAR(LINE_NO) <> LINE_NO_TEXT THEN 'line_no is missing or not an integer'
      WHEN PRODUCT_ID IS NULL THEN 'product_id is missing'
      WHEN IS_NO_TEXT THEN 'product_id is not a text'
      WHEN LENGTH(PRODUCT_ID) > 100 OR PRODUCT_ID = ''
        THEN 'product_id is not an identifier of 1 to 100 characters'
      WHEN QUANTITY IS NULL OR TO_VARCHAR(QUANTITY) <> QUANTITY_TEXT
        THEN 'quantity is missing or not an integer of at most 7 digits'
      WHEN QUANTITY < 1 THEN 'quantity is less than 1'
      WHEN UNIT_PRICE IS NULL THEN 'unit_price is missing or not an amount'
      WHEN UNIT_PRICE < 0 THEN 'unit_price is negative'
      WHEN UNIT_COST IS NULL THEN 'unit_cost is missing or not an amount'
      WHEN UNIT_COST < 0 THEN 'unit_cost is negative'
    END) AS BROKEN_LINE
  FROM typed_lines
  GROUP BY ROW_ID
),
typed AS (
  SELECT
    e.*,
    'an order' AS ENTITY,
    'order_id' AS ID_FIELD,
    e.EVENT_TYPE IN (
      'order_placed', 'order_paid', 'order_shipped', 'order_delivered', 'order_cancelled', 'order_returned'
    ) AS IS_KNOWN_TYPE,
    IFF(CONTAINS('{[-tf0123456789', LEFT(e.ENTITY_ID, 1)), TYPEOF(e.PAYLOAD:order_id) <> 'VARCHAR', FALSE) AS IS_NO_TEXT,
    e.EVENT_TYPE = 'order_placed' AS IS_PLACED,
    e.EVENT_TYPE = 'order_shipped' AS IS_SHIPPED,
    e.EVENT_TYPE IN ('order_cancelled', 'order_returned') AS IS_CLOSED,
    IFF(e.EVENT_TYPE = 'order_placed', e.PAYLOAD, NULL) AS PLACED,
    IFF(e.EVENT_TYPE = 'order_shipped', e.PAYLOAD, NULL) AS SHIPPED,
    IFF(e.EVENT_TYPE IN ('order_cancelled', 'order_returned'), e.PAYLOAD, NULL) AS CLOSED,
    o.LINE_COUNT,
    o.LINE_NUMBERS,
    IFF(o.UNITS <= 1000000, o.UNITS, NULL) AS UNITS,
    o.GOODS,
    IFF(o.LINES_COST <= 1000000000, o.LINES_COST, NULL) AS LINES_COST,
    o.BROKEN_LINE
  FROM envelopes e
  LEFT JOIN orders o ON o.ROW_ID = e.ROW_ID
),
events AS (
  SELECT
    t.*,
    t.PLACED:customer_id::VARCHAR AS CUSTOMER_ID,
    t.PLACED:channel::VARCHAR AS CHANNEL,
    t.PLACED:country::VARCHAR AS COUNTRY_TEXT,
    IFF(REGEXP_LIKE(COUNTRY_TEXT, '[A-Z]{2}'), COUNTRY_TEXT, NULL) AS COUNTRY,
    t.PLACED:currency::VARCHAR AS CURRENCY_TEXT,
    IFF(REGEXP_LIKE(CURRENCY_TEXT, '[A-Z]{3}'), CURRENCY_TEXT, NULL) AS CURRENCY,
    TRY_TO_DECIMAL(t.PLACED:exchange_rate::VARCHAR, 18, 6) AS EXCHANGE_RATE,
    t.PLACED:payment_method::VARCHAR AS PAYMENT_METHOD,
    t.PLACED:discount_code::VARCHAR AS DISCOUNT_CODE,
    TRY_TO_DECIMAL(t.PLACED:discount::VARCHAR, 12, 2) AS DISCOUNT,
    TRY_TO_DECIMAL(t.PLACED:shipping_fee::VARCHAR, 12, 2) AS SHIPPING_FEE,
    TRY_TO_DECIMAL(t.PLACED:total::VARCHAR, 12, 2) AS TOTAL,
    t.PLACED:promised_at::VARCHAR AS PROMISED_AT_TEXT,
    TRY_TO_TIMESTAMP_NTZ(PROMISED_AT_TEXT, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"') AS PROMISED_AT,
    t.SHIPPED:carrier::VARCHAR AS CARRIER,
    t.SHIPPED:tracking_number::VARCHAR AS TRACKING_NUMBER,
    t.CLOSED:reason::VARCHAR AS REASON,
    TRY_TO_DECIMAL(t.CLOSED:refunded_amount::VARCHAR, 12, 2) AS REFUNDED_AMOUNT
  FROM typed t
),
judged AS (
  SELECT
    events.*,
    CASE
<% envelope_rules %>
      WHEN IS_PLACED AND VERSION <> 1 THEN 'order_placed is not version 1'
      WHEN NOT IS_PLACED AND VERSION = 1 THEN 'version 1 is not order_placed'
      WHEN IS_SHIPPED THEN CASE
        WHEN CARRIER IS NULL THEN 'carrier is missing'
        WHEN TRACKING_NUMBER IS NULL THEN 'tracking_number is missing'
      END
      WHEN IS_CLOSED THEN CASE
        WHEN REASON IS NULL THEN 'reason is missing'
        WHEN REFUNDED_AMOUNT IS NULL THEN IFF(
          PAYLOAD:refunded_amount::VARCHAR IS NULL, 'refunded_amount is missing', 'refunded_amount is not an amount'
        )
        WHEN REFUNDED_AMOUNT < 0 THEN 'refunded_amount is negative'
        WHEN REFUNDED_AMOUNT > 1000000000 THEN 'refunded_amount is more than a billion'
      END
      WHEN NOT IS_PLACED THEN NULL
      WHEN CUSTOMER_ID IS NULL THEN 'customer_id is missing'
      WHEN IFF(CONTAINS('{[-tf0123456789', LEFT(CUSTOMER_ID, 1)), TYPEOF(PAYLOAD:customer_id) <> 'VARCHAR', FALSE)
        THEN 'customer_id is not a text'
      WHEN LENGTH(CUSTOMER_ID) > 100 OR CUSTOMER_ID = '' THEN 'customer_id is not an identifier of 1 to 100 characters'
      WHEN CHANNEL IS NULL THEN 'channel is missing'
      WHEN COUNTRY_TEXT IS NULL THEN 'country is missing'
      WHEN COUNTRY IS NULL THEN 'country is not an ISO 3166-1 code of two letters'
      WHEN CURRENCY_TEXT IS NULL THEN 'currency is missing'
      WHEN CURRENCY IS NULL THEN 'currency is not an ISO 4217 code of three letters'
      WHEN EXCHANGE_RATE IS NULL THEN IFF(
        PAYLOAD:exchange_rate::VARCHAR IS NULL, 'exchange_rate is missing', 'exchange_rate is not a number'
      )
      WHEN EXCHANGE_RATE <= 0 THEN 'exchange_rate is not positive'
      WHEN PAYMENT_METHOD IS NULL THEN 'payment_method is missing'
      WHEN DISCOUNT IS NULL THEN IFF(
        PAYLOAD:discount::VARCHAR IS NULL, 'discount is missing', 'discount is not an amount'
      )
      WHEN DISCOUNT < 0 THEN 'discount is negative'
      WHEN DISCOUNT > 1000000000 THEN 'discount is more than a billion'
      WHEN SHIPPING_FEE IS NULL THEN IFF(
        PAYLOAD:shipping_fee::VARCHAR IS NULL, 'shipping_fee is missing', 'shipping_fee is not an amount'
      )
      WHEN SHIPPING_FEE < 0 THEN 'shipping_fee is negative'
      WHEN SHIPPING_FEE > 1000000000 THEN 'shipping_fee is more than a billion'
      WHEN TOTAL IS NULL THEN IFF(
        PAYLOAD:total::VARCHAR IS NULL, 'total is missing', 'total is not an amount'
      )
      WHEN TOTAL < 0 THEN 'total is negative'
      WHEN TOTAL > 1000000000 THEN 'total is more than a billion'
      WHEN PROMISED_AT_TEXT IS NULL THEN 'promised_at is missing'
      WHEN PROMISED_AT IS NULL OR LENGTH(PROMISED_AT_TEXT) <> 24
        THEN 'promised_at is not a UTC time like 2026-01-31T12:00:00.000Z'
      WHEN PROMISED_AT < '1970-01-01'::TIMESTAMP_NTZ OR PROMISED_AT >= '2200-01-01'::TIMESTAMP_NTZ
        THEN 'promised_at is not between the years 1970 and 2199'
      WHEN LINE_COUNT IS NULL THEN CASE
        WHEN PAYLOAD:lines::VARCHAR IS NULL THEN 'lines is missing'
        WHEN TYPEOF(PAYLOAD:lines) <> 'ARRAY' THEN 'lines is not an array'
        ELSE 'lines is empty'
      END
      WHEN BROKEN_LINE IS NOT NULL THEN 'lines: ' || BROKEN_LINE
      WHEN LINE_NUMBERS <> LINE_COUNT THEN 'lines: line_no is not unique'
      WHEN UNITS IS NULL OR GOODS > 1000000000 OR LINES_COST IS NULL THEN 'lines: the sum is beyond all reason'
      WHEN TOTAL <> GOODS - DISCOUNT + SHIPPING_FEE THEN 'total is not goods - discount + shipping_fee'
    END AS BROKEN_RULE
  FROM events
)
<% verdicts %>
);
