-- deploy: once
-- replaces: 1b7cab98d77e9a3f8558c32fc0781b1374790edfaf961fd7eae8f6425fe5a51b
--
-- Tables of RAW, STAGING, PROD and OPS. Keys are declared for readers and tools; Snowflake records and does not enforce
-- them, the loader and the MERGEs keep them. There are no indexes in Snowflake, and no clustering keys here: they pay on
-- tables of many terabytes, and switch Automatic Clustering on, which is billed beside the warehouse and its monitor
-- (docs.snowflake.com/en/user-guide/tables-auto-reclustering). Rows come in the order of time, so days are pruned without.

USE ROLE "<% database %>_TRANSFORMER";
USE DATABASE "<% database %>";
USE WAREHOUSE "<% warehouse %>";

-- RAW ----------------------------------------------------------------------------------------------------------------
-- Grain: a Kafka message. Key: topic id, partition, offset. Written by the loader only, read by the staging tasks.
-- TRANSIENT and one day of Time Travel: the messages can be had again from Kafka.

CREATE TRANSIENT TABLE IF NOT EXISTS RAW.CUSTOMERS (
  TOPIC VARCHAR NOT NULL COMMENT 'Name of the topic',
  TOPIC_ID VARCHAR NOT NULL COMMENT 'Id Kafka gave the topic: a topic deleted and made again is another topic',
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL COMMENT 'Partition of the message',
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'Offset of the message in its partition',
  KEY BINARY COMMENT 'Key as it came; NULL for none',
  VALUE BINARY COMMENT 'Value as it came; NULL for a tombstone',
  PAYLOAD VARIANT COMMENT 'Value as JSON; NULL when it is not JSON or not UTF-8',
  HEADERS VARIANT COMMENT 'Array of [name, value]; values as text, base64 when not UTF-8',
  KAFKA_TIMESTAMP TIMESTAMP_NTZ(3) COMMENT 'UTC timestamp of the message',
  BATCH_ID VARCHAR NOT NULL COMMENT 'OPS.LOADS.BATCH_ID',
  INGESTED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC, when its batch was loaded',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET)
) DATA_RETENTION_TIME_IN_DAYS = 1
  COMMENT = 'Messages of the customers topic, as they came';

CREATE TRANSIENT TABLE IF NOT EXISTS RAW.PRODUCTS (
  TOPIC VARCHAR NOT NULL COMMENT 'Name of the topic',
  TOPIC_ID VARCHAR NOT NULL COMMENT 'Id Kafka gave the topic: a topic deleted and made again is another topic',
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL COMMENT 'Partition of the message',
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'Offset of the message in its partition',
  KEY BINARY COMMENT 'Key as it came; NULL for none',
  VALUE BINARY COMMENT 'Value as it came; NULL for a tombstone',
  PAYLOAD VARIANT COMMENT 'Value as JSON; NULL when it is not JSON or not UTF-8',
  HEADERS VARIANT COMMENT 'Array of [name, value]; values as text, base64 when not UTF-8',
  KAFKA_TIMESTAMP TIMESTAMP_NTZ(3) COMMENT 'UTC timestamp of the message',
  BATCH_ID VARCHAR NOT NULL COMMENT 'OPS.LOADS.BATCH_ID',
  INGESTED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC, when its batch was loaded',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET)
) DATA_RETENTION_TIME_IN_DAYS = 1
  COMMENT = 'Messages of the products topic, as they came';

CREATE TRANSIENT TABLE IF NOT EXISTS RAW.ORDERS_EVENTS (
  TOPIC VARCHAR NOT NULL COMMENT 'Name of the topic',
  TOPIC_ID VARCHAR NOT NULL COMMENT 'Id Kafka gave the topic: a topic deleted and made again is another topic',
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL COMMENT 'Partition of the message',
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'Offset of the message in its partition',
  KEY BINARY COMMENT 'Key as it came; NULL for none',
  VALUE BINARY COMMENT 'Value as it came; NULL for a tombstone',
  PAYLOAD VARIANT COMMENT 'Value as JSON; NULL when it is not JSON or not UTF-8',
  HEADERS VARIANT COMMENT 'Array of [name, value]; values as text, base64 when not UTF-8',
  KAFKA_TIMESTAMP TIMESTAMP_NTZ(3) COMMENT 'UTC timestamp of the message',
  BATCH_ID VARCHAR NOT NULL COMMENT 'OPS.LOADS.BATCH_ID',
  INGESTED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC, when its batch was loaded',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET)
) DATA_RETENTION_TIME_IN_DAYS = 1
  COMMENT = 'Messages of the order events topic, as they came';

-- STAGING ------------------------------------------------------------------------------------------------------------
-- Grain: an accepted RAW message, so a business event sent twice is here twice. Key: topic id, partition, offset.
-- Written by the staging tasks (inserts only), read by the PROD tasks through streams and by the checks.

CREATE TABLE IF NOT EXISTS STAGING.CUSTOMER_EVENTS (
  TOPIC_ID VARCHAR NOT NULL COMMENT 'RAW coordinate',
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL COMMENT 'RAW coordinate',
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'RAW coordinate',
  BATCH_ID VARCHAR NOT NULL COMMENT 'OPS.LOADS.BATCH_ID',
  INGESTED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC, when its batch was loaded',
  EVENT_ID VARCHAR(36) NOT NULL COMMENT 'Identity of the business event',
  EVENT_TYPE VARCHAR NOT NULL COMMENT 'customer_upserted or customer_deleted',
  SCHEMA_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version of the event''s contract',
  VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version of the customer, from 1',
  EVENT_TIME TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  CUSTOMER_ID VARCHAR NOT NULL,
  NAME VARCHAR,
  EMAIL VARCHAR,
  PHONE VARCHAR,
  CITY VARCHAR,
  COUNTRY VARCHAR(2) COMMENT 'ISO 3166-1 alpha-2',
  LOCALE VARCHAR,
  ACQUISITION_CHANNEL VARCHAR,
  SEGMENT VARCHAR,
  SIGNED_UP_AT TIMESTAMP_NTZ(3) COMMENT 'UTC',
  PAYLOAD VARIANT NOT NULL COMMENT 'The whole event, fields unknown here included',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET)
) COMMENT = 'Accepted events of the customers topic';

CREATE TABLE IF NOT EXISTS STAGING.PRODUCT_EVENTS (
  TOPIC_ID VARCHAR NOT NULL COMMENT 'RAW coordinate',
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL COMMENT 'RAW coordinate',
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'RAW coordinate',
  BATCH_ID VARCHAR NOT NULL COMMENT 'OPS.LOADS.BATCH_ID',
  INGESTED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC, when its batch was loaded',
  EVENT_ID VARCHAR(36) NOT NULL COMMENT 'Identity of the business event',
  EVENT_TYPE VARCHAR NOT NULL COMMENT 'product_upserted or product_deleted',
  SCHEMA_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version of the event''s contract',
  VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version of the product, from 1',
  EVENT_TIME TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  PRODUCT_ID VARCHAR NOT NULL,
  NAME VARCHAR,
  CATEGORY VARCHAR,
  SUBCATEGORY VARCHAR,
  BRAND VARCHAR,
  MATERIAL VARCHAR,
  COLOUR VARCHAR,
  SIZES VARIANT COMMENT 'Array of sizes',
  PRICE NUMBER(12, 2) COMMENT 'EUR',
  COST NUMBER(12, 2) COMMENT 'EUR',
  SUPPLIER_ID VARCHAR,
  SUPPLIER_NAME VARCHAR,
  SUPPLIER_COUNTRY VARCHAR(2) COMMENT 'ISO 3166-1 alpha-2',
  LEAD_TIME_DAYS NUMBER(5, 0),
  RELIABILITY NUMBER(5, 4) COMMENT 'Share of parcels sent within the lead time, 0 to 1',
  RETURN_WINDOW_DAYS NUMBER(5, 0),
  STOCK NUMBER(12, 0),
  CREATED_AT TIMESTAMP_NTZ(3) COMMENT 'UTC',
  PAYLOAD VARIANT NOT NULL COMMENT 'The whole event, fields unknown here included',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET)
) COMMENT = 'Accepted events of the products topic, each with its supplier';

CREATE TABLE IF NOT EXISTS STAGING.ORDER_EVENTS (
  TOPIC_ID VARCHAR NOT NULL COMMENT 'RAW coordinate',
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL COMMENT 'RAW coordinate',
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'RAW coordinate',
  BATCH_ID VARCHAR NOT NULL COMMENT 'OPS.LOADS.BATCH_ID',
  INGESTED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC, when its batch was loaded',
  EVENT_ID VARCHAR(36) NOT NULL COMMENT 'Identity of the business event',
  EVENT_TYPE VARCHAR NOT NULL COMMENT 'order_placed, order_paid, order_shipped, order_delivered, order_cancelled, order_returned',
  SCHEMA_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version of the event''s contract',
  ORDER_ID VARCHAR NOT NULL,
  VERSION NUMBER(10, 0) NOT NULL COMMENT 'Step of the order, from 1 (order_placed)',
  EVENT_TIME TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  CUSTOMER_ID VARCHAR COMMENT 'order_placed',
  CHANNEL VARCHAR COMMENT 'order_placed',
  COUNTRY VARCHAR(2) COMMENT 'order_placed: ISO 3166-1 alpha-2',
  CURRENCY VARCHAR(3) COMMENT 'order_placed: ISO 4217',
  EXCHANGE_RATE NUMBER(18, 6) COMMENT 'order_placed: units of CURRENCY for 1 EUR',
  PAYMENT_METHOD VARCHAR COMMENT 'order_placed',
  DISCOUNT_CODE VARCHAR COMMENT 'order_placed',
  DISCOUNT NUMBER(12, 2) COMMENT 'order_placed: EUR',
  SHIPPING_FEE NUMBER(12, 2) COMMENT 'order_placed: EUR',
  TOTAL NUMBER(12, 2) COMMENT 'order_placed: EUR, goods - discount + shipping fee',
  PROMISED_AT TIMESTAMP_NTZ(3) COMMENT 'order_placed: UTC, promised delivery',
  LINE_COUNT NUMBER(10, 0) COMMENT 'order_placed: lines',
  UNITS NUMBER(12, 0) COMMENT 'order_placed: sum of quantities',
  LINES_COST NUMBER(12, 2) COMMENT 'order_placed: EUR, sum of quantity x unit cost',
  CARRIER VARCHAR COMMENT 'order_shipped',
  TRACKING_NUMBER VARCHAR COMMENT 'order_shipped',
  REASON VARCHAR COMMENT 'order_cancelled, order_returned',
  REFUNDED_AMOUNT NUMBER(12, 2) COMMENT 'order_cancelled, order_returned: EUR',
  PAYLOAD VARIANT NOT NULL COMMENT 'The whole event, fields unknown here included',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET)
) COMMENT = 'Accepted events of the order events topic';

-- Grain: a RAW message that broke a rule. Key: topic id, partition, offset.
CREATE TABLE IF NOT EXISTS STAGING.REJECTED_EVENTS (
  SOURCE VARCHAR NOT NULL COMMENT 'RAW table it came from: CUSTOMERS, PRODUCTS or ORDERS_EVENTS',
  TOPIC VARCHAR NOT NULL COMMENT 'RAW coordinate',
  TOPIC_ID VARCHAR NOT NULL COMMENT 'RAW coordinate',
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL COMMENT 'RAW coordinate',
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'RAW coordinate',
  KEY BINARY,
  VALUE BINARY,
  PAYLOAD VARIANT COMMENT 'NULL when VALUE is not JSON. A correction made here is what a retry reads',
  HEADERS VARIANT,
  KAFKA_TIMESTAMP TIMESTAMP_NTZ(3),
  BATCH_ID VARCHAR NOT NULL COMMENT 'OPS.LOADS.BATCH_ID',
  INGESTED_AT TIMESTAMP_NTZ(3) NOT NULL,
  REJECT_REASON VARCHAR NOT NULL COMMENT 'The first rule it broke',
  ATTEMPT NUMBER(10, 0) NOT NULL COMMENT '1, and one more for each retry',
  REJECTED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  RETRY_ID VARCHAR COMMENT 'Set inside the transaction of a retry',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET)
) COMMENT = 'Messages that broke a rule, with the reason';

-- Grain: a retry of a rejected message. Read by the staging tasks as a second source beside RAW.
CREATE TABLE IF NOT EXISTS STAGING.RETRIED_EVENTS (
  RETRY_ID VARCHAR NOT NULL,
  SOURCE VARCHAR NOT NULL,
  TOPIC VARCHAR NOT NULL,
  TOPIC_ID VARCHAR NOT NULL,
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL,
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL,
  KEY BINARY,
  VALUE BINARY,
  PAYLOAD VARIANT,
  HEADERS VARIANT,
  KAFKA_TIMESTAMP TIMESTAMP_NTZ(3),
  BATCH_ID VARCHAR NOT NULL,
  INGESTED_AT TIMESTAMP_NTZ(3) NOT NULL,
  ATTEMPT NUMBER(10, 0) NOT NULL,
  RETRIED_AT TIMESTAMP_NTZ(3) NOT NULL,
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, ATTEMPT)
) COMMENT = 'Rejected messages sent through the rules once more';

-- PROD ---------------------------------------------------------------------------------------------------------------

-- Grain: a customer. The attributes are those of the newest upsert, whatever order the events came in.
CREATE TABLE IF NOT EXISTS PROD.CUSTOMERS (
  CUSTOMER_ID VARCHAR NOT NULL,
  NAME VARCHAR,
  EMAIL VARCHAR,
  PHONE VARCHAR,
  CITY VARCHAR,
  COUNTRY VARCHAR(2) COMMENT 'ISO 3166-1 alpha-2',
  LOCALE VARCHAR,
  ACQUISITION_CHANNEL VARCHAR,
  SEGMENT VARCHAR,
  SIGNED_UP_AT TIMESTAMP_NTZ(3) COMMENT 'UTC',
  VERSION NUMBER(10, 0) NOT NULL COMMENT 'Newest version seen, deletions included',
  IS_DELETED BOOLEAN NOT NULL COMMENT 'The newest version is a deletion',
  RECORD_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version the attributes are from; 0 before any',
  DELETED_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version of the newest deletion; 0 before any',
  PRIMARY KEY (CUSTOMER_ID)
) COMMENT = 'Customers, newest version';

-- Grain: a version of a customer (slowly changing dimension, type 2).
CREATE TABLE IF NOT EXISTS PROD.CUSTOMERS_HISTORY (
  CUSTOMER_ID VARCHAR NOT NULL,
  VERSION NUMBER(10, 0) NOT NULL,
  NAME VARCHAR,
  EMAIL VARCHAR,
  PHONE VARCHAR,
  CITY VARCHAR,
  COUNTRY VARCHAR(2),
  LOCALE VARCHAR,
  ACQUISITION_CHANNEL VARCHAR,
  SEGMENT VARCHAR,
  SIGNED_UP_AT TIMESTAMP_NTZ(3),
  IS_DELETED BOOLEAN NOT NULL,
  VALID_FROM TIMESTAMP_NTZ(3) NOT NULL COMMENT 'Event time of this version',
  VALID_TO TIMESTAMP_NTZ(3) COMMENT 'Event time of the next version; NULL for the newest',
  IS_CURRENT BOOLEAN NOT NULL COMMENT 'The newest version',
  PRIMARY KEY (CUSTOMER_ID, VERSION)
) COMMENT = 'Every version of every customer';

-- Grain: a supplier. Suppliers come inside product events and have no version: the newest event decides.
CREATE TABLE IF NOT EXISTS PROD.SUPPLIERS (
  SUPPLIER_ID VARCHAR NOT NULL,
  NAME VARCHAR,
  COUNTRY VARCHAR(2) COMMENT 'ISO 3166-1 alpha-2',
  LEAD_TIME_DAYS NUMBER(5, 0),
  RELIABILITY NUMBER(5, 4) COMMENT 'Share of parcels sent within the lead time, 0 to 1',
  RETURN_WINDOW_DAYS NUMBER(5, 0),
  SEEN_IN VARCHAR NOT NULL COMMENT 'Event time / version / product of the event it is from; the greatest wins',
  PRIMARY KEY (SUPPLIER_ID)
) COMMENT = 'Suppliers, newest seen';

-- Grain: a product.
CREATE TABLE IF NOT EXISTS PROD.PRODUCTS (
  PRODUCT_ID VARCHAR NOT NULL,
  NAME VARCHAR,
  CATEGORY VARCHAR,
  SUBCATEGORY VARCHAR,
  BRAND VARCHAR,
  MATERIAL VARCHAR,
  COLOUR VARCHAR,
  SIZES VARIANT COMMENT 'Array of sizes',
  PRICE NUMBER(12, 2) COMMENT 'EUR',
  COST NUMBER(12, 2) COMMENT 'EUR',
  SUPPLIER_ID VARCHAR,
  STOCK NUMBER(12, 0),
  CREATED_AT TIMESTAMP_NTZ(3) COMMENT 'UTC',
  VERSION NUMBER(10, 0) NOT NULL COMMENT 'Newest version seen, deletions included',
  IS_DELETED BOOLEAN NOT NULL COMMENT 'The newest version is a deletion',
  RECORD_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version the attributes are from; 0 before any',
  DELETED_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version of the newest deletion; 0 before any',
  PRIMARY KEY (PRODUCT_ID),
  FOREIGN KEY (SUPPLIER_ID) REFERENCES PROD.SUPPLIERS (SUPPLIER_ID)
) COMMENT = 'Products, newest version';

-- Grain: a version of a product (slowly changing dimension, type 2).
CREATE TABLE IF NOT EXISTS PROD.PRODUCTS_HISTORY (
  PRODUCT_ID VARCHAR NOT NULL,
  VERSION NUMBER(10, 0) NOT NULL,
  NAME VARCHAR,
  CATEGORY VARCHAR,
  SUBCATEGORY VARCHAR,
  BRAND VARCHAR,
  MATERIAL VARCHAR,
  COLOUR VARCHAR,
  PRICE NUMBER(12, 2),
  COST NUMBER(12, 2),
  SUPPLIER_ID VARCHAR,
  STOCK NUMBER(12, 0),
  IS_DELETED BOOLEAN NOT NULL,
  VALID_FROM TIMESTAMP_NTZ(3) NOT NULL COMMENT 'Event time of this version',
  VALID_TO TIMESTAMP_NTZ(3) COMMENT 'Event time of the next version; NULL for the newest',
  IS_CURRENT BOOLEAN NOT NULL COMMENT 'The newest version',
  PRIMARY KEY (PRODUCT_ID, VERSION)
) COMMENT = 'Every version of every product';

-- Grain: an order. Each step keeps the version it was set by, so events may come in any order, late or twice.
CREATE TABLE IF NOT EXISTS PROD.ORDERS (
  ORDER_ID VARCHAR NOT NULL,
  CUSTOMER_ID VARCHAR,
  STATUS VARCHAR NOT NULL COMMENT 'Of the newest version: PLACED, PAID, SHIPPED, DELIVERED, CANCELLED, RETURNED',
  VERSION NUMBER(10, 0) NOT NULL COMMENT 'Newest version seen',
  PLACED_AT TIMESTAMP_NTZ(3) COMMENT 'UTC; NULL until order_placed has come',
  PAID_AT TIMESTAMP_NTZ(3),
  SHIPPED_AT TIMESTAMP_NTZ(3),
  DELIVERED_AT TIMESTAMP_NTZ(3),
  CANCELLED_AT TIMESTAMP_NTZ(3),
  RETURNED_AT TIMESTAMP_NTZ(3),
  PROMISED_AT TIMESTAMP_NTZ(3) COMMENT 'Promised delivery',
  CHANNEL VARCHAR,
  COUNTRY VARCHAR(2) COMMENT 'ISO 3166-1 alpha-2',
  CURRENCY VARCHAR(3) COMMENT 'ISO 4217, what the customer paid in; all amounts here are EUR',
  EXCHANGE_RATE NUMBER(18, 6) COMMENT 'Units of CURRENCY for 1 EUR when the order was placed',
  PAYMENT_METHOD VARCHAR,
  DISCOUNT_CODE VARCHAR,
  DISCOUNT NUMBER(12, 2),
  SHIPPING_FEE NUMBER(12, 2),
  TOTAL NUMBER(12, 2),
  REFUNDED_AMOUNT NUMBER(12, 2) COMMENT 'Of the newest cancellation or return; 0 before any',
  REVENUE NUMBER(12, 2) COMMENT 'TOTAL - REFUNDED_AMOUNT; 0 when cancelled',
  COST NUMBER(12, 2) COMMENT 'Cost of the goods; 0 when cancelled before it was shipped',
  MARGIN NUMBER(12, 2) COMMENT 'REVENUE - COST',
  LINE_COUNT NUMBER(10, 0),
  UNITS NUMBER(12, 0),
  CARRIER VARCHAR,
  TRACKING_NUMBER VARCHAR,
  REASON VARCHAR COMMENT 'Of the newest cancellation or return',
  LINES_COST NUMBER(12, 2) COMMENT 'Cost of the goods as ordered',
  PLACED_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version that set PLACED_AT; 0 before it',
  PAID_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version that set PAID_AT; 0 before it',
  SHIPPED_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version that set SHIPPED_AT; 0 before it',
  DELIVERED_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version that set DELIVERED_AT; 0 before it',
  CANCELLED_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version that set CANCELLED_AT; 0 before it',
  RETURNED_VERSION NUMBER(10, 0) NOT NULL COMMENT 'Version that set RETURNED_AT; 0 before it',
  UPDATED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC, when the row last changed',
  PRIMARY KEY (ORDER_ID),
  FOREIGN KEY (CUSTOMER_ID) REFERENCES PROD.CUSTOMERS (CUSTOMER_ID)
) COMMENT = 'Orders, newest state';

-- Grain: a line of an order. Insert only.
CREATE TABLE IF NOT EXISTS PROD.ORDER_LINES (
  ORDER_ID VARCHAR NOT NULL,
  LINE_NO NUMBER(10, 0) NOT NULL,
  PRODUCT_ID VARCHAR NOT NULL,
  SIZE VARCHAR,
  QUANTITY NUMBER(10, 0) NOT NULL,
  UNIT_PRICE NUMBER(12, 2) NOT NULL COMMENT 'EUR',
  UNIT_COST NUMBER(12, 2) NOT NULL COMMENT 'EUR',
  AMOUNT NUMBER(12, 2) NOT NULL COMMENT 'EUR, QUANTITY x UNIT_PRICE',
  ORDERED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (ORDER_ID, LINE_NO),
  FOREIGN KEY (ORDER_ID) REFERENCES PROD.ORDERS (ORDER_ID),
  FOREIGN KEY (PRODUCT_ID) REFERENCES PROD.PRODUCTS (PRODUCT_ID)
) COMMENT = 'Lines of the orders';

-- Grain: an accepted business event of an order, with the place of its message. Insert only.
CREATE TABLE IF NOT EXISTS PROD.ORDER_STATUS_HISTORY (
  EVENT_ID VARCHAR(36) NOT NULL,
  ORDER_ID VARCHAR NOT NULL,
  VERSION NUMBER(10, 0) NOT NULL,
  EVENT_TYPE VARCHAR NOT NULL,
  EVENT_TIME TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  TOPIC_ID VARCHAR NOT NULL COMMENT 'RAW coordinate of the message it was first seen in',
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL COMMENT 'RAW coordinate',
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'RAW coordinate',
  BATCH_ID VARCHAR NOT NULL COMMENT 'OPS.LOADS.BATCH_ID',
  PRIMARY KEY (EVENT_ID),
  FOREIGN KEY (ORDER_ID) REFERENCES PROD.ORDERS (ORDER_ID)
) COMMENT = 'Steps in the life of the orders';

-- Grain: a day, country, category and channel. An order's revenue is shared out over its categories by the value of
-- their lines, to the cent, so REVENUE, COST, MARGIN and UNITS add up over everything. ORDERS counts an order in each
-- of its categories, so it adds up over days, countries and channels only.
CREATE TABLE IF NOT EXISTS PROD.DAILY_SALES (
  SALES_DATE DATE NOT NULL COMMENT 'Day the orders were placed, UTC',
  COUNTRY VARCHAR(2) NOT NULL,
  CATEGORY VARCHAR NOT NULL COMMENT 'UNKNOWN until the product is known',
  CHANNEL VARCHAR NOT NULL,
  ORDERS NUMBER(12, 0) NOT NULL,
  UNITS NUMBER(14, 0) NOT NULL,
  REVENUE NUMBER(16, 2) NOT NULL COMMENT 'EUR',
  COST NUMBER(16, 2) NOT NULL COMMENT 'EUR',
  MARGIN NUMBER(16, 2) NOT NULL COMMENT 'EUR',
  PRIMARY KEY (SALES_DATE, COUNTRY, CATEGORY, CHANNEL)
) COMMENT = 'Sales by day, country, category and channel';

-- Grain: a day, product and size: what was ordered and, without cancelled orders, what was sold. The product's attributes
-- are not here: a product that changes its category or supplier touches no row.
CREATE TABLE IF NOT EXISTS PROD.DAILY_PRODUCT_SALES (
  SALES_DATE DATE NOT NULL COMMENT 'Day the lines were ordered, UTC',
  PRODUCT_ID VARCHAR NOT NULL,
  SIZE VARCHAR NOT NULL COMMENT 'Empty when the line has none',
  UNITS_ORDERED NUMBER(14, 0) NOT NULL COMMENT 'Cancelled orders included',
  UNITS NUMBER(14, 0) NOT NULL,
  AMOUNT NUMBER(16, 2) NOT NULL COMMENT 'EUR, quantity x price, before discounts, fees and refunds',
  COST NUMBER(16, 2) NOT NULL COMMENT 'EUR',
  PRIMARY KEY (SALES_DATE, PRODUCT_ID, SIZE)
) COMMENT = 'Sales by day, product and size';

-- Grain: a day, supplier and time from paid to delivered: a histogram that adds up over days, so that medians and
-- percentiles of any span are counted from it. An order counts once for each of its suppliers.
CREATE TABLE IF NOT EXISTS PROD.DAILY_SUPPLIER_DELIVERIES (
  SALES_DATE DATE NOT NULL COMMENT 'Day the orders were placed, UTC',
  SUPPLIER_ID VARCHAR NOT NULL,
  MINUTES NUMBER(10, 0) NOT NULL COMMENT 'From paid to delivered, to the nearest tenth of a day (144 minutes)',
  ORDERS NUMBER(12, 0) NOT NULL COMMENT 'Delivered after so long',
  LATE NUMBER(12, 0) NOT NULL COMMENT 'Those of them that came after the promise',
  PROMISED_MINUTES NUMBER(19, 0) NOT NULL COMMENT 'From paid to promised, the sum of all of them',
  PRIMARY KEY (SALES_DATE, SUPPLIER_ID, MINUTES)
) COMMENT = 'How long deliveries took, by day and supplier';

-- Grain: a customer with an order. Spares a look at all orders ever for who is new.
CREATE TABLE IF NOT EXISTS PROD.CUSTOMER_FIRST_ORDERS (
  CUSTOMER_ID VARCHAR NOT NULL,
  ORDER_ID VARCHAR NOT NULL COMMENT 'The first order',
  FIRST_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC, when it was placed',
  PRIMARY KEY (CUSTOMER_ID),
  FOREIGN KEY (ORDER_ID) REFERENCES PROD.ORDERS (ORDER_ID)
) COMMENT = 'When each customer ordered first';

-- OPS ----------------------------------------------------------------------------------------------------------------

-- Grain: a partition of a topic. The truth about what is loaded. Written in the transaction that loads the rows.
CREATE TABLE IF NOT EXISTS OPS.KAFKA_OFFSETS (
  TOPIC VARCHAR NOT NULL,
  TOPIC_ID VARCHAR NOT NULL,
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL,
  FIRST_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'Where loading began',
  NEXT_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'First offset that is not loaded',
  CLAIMED_BY VARCHAR COMMENT 'Consumer that last locked the row',
  LAST_BATCH_ID VARCHAR COMMENT 'OPS.LOADS.BATCH_ID',
  UPDATED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION)
) COMMENT = 'How far each partition is loaded';

-- Grain: a lock. An UPDATE of its row serialises what no key can (keys are not enforced).
CREATE TABLE IF NOT EXISTS OPS.LOCKS (
  NAME VARCHAR NOT NULL,
  HELD_BY VARCHAR,
  PRIMARY KEY (NAME)
) COMMENT = 'Rows to lock';

MERGE INTO OPS.LOCKS t
USING (SELECT 'KAFKA_OFFSETS' AS NAME) s ON t.NAME = s.NAME
WHEN NOT MATCHED THEN INSERT (NAME) VALUES (s.NAME);

-- Grain: a run of offsets that will never be loaded, and why.
CREATE TABLE IF NOT EXISTS OPS.KAFKA_GAPS (
  TOPIC VARCHAR NOT NULL,
  TOPIC_ID VARCHAR NOT NULL,
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL,
  FROM_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'First missing offset',
  TO_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'First offset after the gap',
  REASON VARCHAR NOT NULL COMMENT 'lost: the broker no longer has them; empty: the broker has nothing there',
  RECORDED_BY VARCHAR NOT NULL COMMENT 'Consumer, or who accepted the loss',
  RECORDED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION, FROM_OFFSET)
) COMMENT = 'Offsets that hold no message for RAW';

-- Grain: a batch the loader committed. Insert only.
CREATE TABLE IF NOT EXISTS OPS.LOADS (
  BATCH_ID VARCHAR NOT NULL,
  RUN_ID VARCHAR NOT NULL COMMENT 'Consumer run',
  TOPIC VARCHAR NOT NULL,
  TOPIC_ID VARCHAR NOT NULL,
  TABLE_NAME VARCHAR NOT NULL COMMENT 'RAW table it went to',
  RANGES VARIANT NOT NULL COMMENT 'Array of {partition, from, to, rows}; to is exclusive',
  ROWS_LOADED NUMBER(12, 0) NOT NULL,
  BYTES NUMBER(19, 0) NOT NULL COMMENT 'Keys and values',
  FETCH_SECONDS NUMBER(12, 3) NOT NULL,
  ENCODE_SECONDS NUMBER(12, 3) NOT NULL,
  PUT_SECONDS NUMBER(12, 3) NOT NULL,
  COPY_SECONDS NUMBER(12, 3) NOT NULL,
  LOADED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (BATCH_ID)
) COMMENT = 'What each batch loaded and how long each step took';

-- Where the loader puts its files before COPY.
CREATE STAGE IF NOT EXISTS OPS.LOADER
  FILE_FORMAT = (TYPE = PARQUET BINARY_AS_TEXT = FALSE)
  COMMENT = 'Batches of the loader on their way into RAW';

-- The loader: insert into RAW, read and write the stage, move the offsets, log.
GRANT INSERT ON TABLE RAW.CUSTOMERS TO ROLE "<% database %>_LOADER";
GRANT INSERT ON TABLE RAW.PRODUCTS TO ROLE "<% database %>_LOADER";
GRANT INSERT ON TABLE RAW.ORDERS_EVENTS TO ROLE "<% database %>_LOADER";
GRANT READ, WRITE ON STAGE OPS.LOADER TO ROLE "<% database %>_LOADER";
GRANT SELECT, INSERT, UPDATE ON TABLE OPS.KAFKA_OFFSETS TO ROLE "<% database %>_LOADER";
GRANT SELECT, UPDATE ON TABLE OPS.LOCKS TO ROLE "<% database %>_LOADER";
GRANT SELECT, INSERT ON TABLE OPS.KAFKA_GAPS TO ROLE "<% database %>_LOADER";
GRANT SELECT, INSERT ON TABLE OPS.LOADS TO ROLE "<% database %>_LOADER";
