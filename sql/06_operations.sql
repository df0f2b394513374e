-- deploy: once
--
-- What the task graph needs so that PROD converges whatever runs beside it (the queue of changed orders, the events that
-- were set aside, sums as wide as the limits of the rules allow), and what ended the loader.

USE ROLE "<% database %>_TRANSFORMER";
USE DATABASE "<% database %>";
USE WAREHOUSE "<% warehouse %>";

-- Grain: a change of an order in PROD. Written in the transaction of the MERGE that made the change, read through one
-- append-only stream per derived table. Retention deletes old rows: append-only streams do not need them.
CREATE TRANSIENT TABLE IF NOT EXISTS OPS.CHANGED_ORDERS (
  ORDER_ID VARCHAR NOT NULL COMMENT 'Order whose row or lines changed',
  PLACED_ON DATE COMMENT 'UTC day to count anew as well, where PROD.ORDERS no longer tells it',
  CHANGED_BY VARCHAR NOT NULL COMMENT 'Task or command that made the change',
  CHANGED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (ORDER_ID, CHANGED_BY, CHANGED_AT)
) DATA_RETENTION_TIME_IN_DAYS = 1
  COMMENT = 'Orders that the derived tables have to count anew';

-- Grain: an accepted event that was taken out of STAGING again (`dropship rejected set-aside`). The streams on STAGING are
-- append-only and still show it, so the MERGEs leave out what is listed here.
CREATE TABLE IF NOT EXISTS STAGING.SET_ASIDE_EVENTS (
  TOPIC_ID VARCHAR NOT NULL COMMENT 'RAW coordinate',
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL COMMENT 'RAW coordinate',
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'RAW coordinate',
  REASON VARCHAR NOT NULL,
  SET_ASIDE_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET)
) COMMENT = 'Accepted events that were set aside by hand';

-- Grain: a partition. What ended the last run of the loader that failed there. It counts while the partition's
-- NEXT_OFFSET in OPS.KAFKA_OFFSETS is still KAFKA_OFFSET.
CREATE TABLE IF NOT EXISTS OPS.LOADER_ERRORS (
  TOPIC VARCHAR NOT NULL,
  TOPIC_ID VARCHAR NOT NULL,
  KAFKA_PARTITION NUMBER(10, 0) NOT NULL,
  KAFKA_OFFSET NUMBER(19, 0) NOT NULL COMMENT 'First offset that was not loaded',
  ERROR VARCHAR NOT NULL COMMENT 'Class and sentence of the error',
  RUN_ID VARCHAR NOT NULL COMMENT 'Consumer run',
  FAILED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (TOPIC_ID, KAFKA_PARTITION)
) COMMENT = 'Where the loader ended with an error, and which';

GRANT SELECT, INSERT, UPDATE ON TABLE OPS.LOADER_ERRORS TO ROLE "<% database %>_LOADER";

-- An amount is at most a billion: 18 digits hold ten million such orders per day and group.
ALTER TABLE PROD.DAILY_SALES ALTER COLUMN REVENUE SET DATA TYPE NUMBER(18, 2);
ALTER TABLE PROD.DAILY_SALES ALTER COLUMN COST SET DATA TYPE NUMBER(18, 2);
ALTER TABLE PROD.DAILY_SALES ALTER COLUMN MARGIN SET DATA TYPE NUMBER(18, 2);
ALTER TABLE PROD.DAILY_PRODUCT_SALES ALTER COLUMN AMOUNT SET DATA TYPE NUMBER(18, 2);
ALTER TABLE PROD.DAILY_PRODUCT_SALES ALTER COLUMN COST SET DATA TYPE NUMBER(18, 2);

-- Whatever STAGING can hold fits: a total and a refund have ten digits before the point, a margin is short of two of them.
ALTER TABLE PROD.ORDERS ALTER COLUMN MARGIN SET DATA TYPE NUMBER(14, 2);
