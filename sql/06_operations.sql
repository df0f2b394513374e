-- deploy: once
--
-- What the task graph needs so that PROD converges whatever runs beside it (the queue of changed orders, the events that
-- were set aside, sums as wide as the limits of the rules allow), what ended the loader, and which data sets are held.

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

-- Grain: a data set, a folder of CSV files or the stream that goes on from it. Written by the producers before they send,
-- which refuse another data set with the same identifiers.
CREATE TABLE IF NOT EXISTS OPS.DATA_SETS (
  DATA_SET_ID VARCHAR NOT NULL COMMENT 'FINGERPRINT of the first that was seen of it',
  KIND VARCHAR NOT NULL COMMENT 'generated, own or stream',
  LABEL VARCHAR NOT NULL COMMENT 'Its name in sentences',
  FINGERPRINT VARCHAR NOT NULL COMMENT 'Hash over the content of its CSV files, the newest that was seen',
  FIRST_SEEN_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  LAST_SEEN_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (DATA_SET_ID)
) COMMENT = 'Data sets that were sent to this warehouse';

-- Grain: a version of a sampled identifier of a data set. Compared with those of the next one until PROD tells of them, and after.
CREATE TABLE IF NOT EXISTS OPS.DATA_SET_RECORDS (
  DATA_SET_ID VARCHAR NOT NULL,
  ENTITY VARCHAR NOT NULL COMMENT 'orders, products or customers',
  ID VARCHAR NOT NULL,
  VERSION NUMBER(10, 0) NOT NULL,
  LASTING VARCHAR NOT NULL COMMENT 'What no version changes, in words',
  DETAIL VARCHAR NOT NULL COMMENT 'What a version may change, in words; no names or addresses',
  PRIMARY KEY (DATA_SET_ID, ENTITY, ID, VERSION)
) COMMENT = 'Identifiers of the data sets, with what tells whose they are';

-- Grain: a lock. An UPDATE of its row lets one producer at a time compare and register. Not a row of OPS.LOCKS: an UPDATE
-- locks the micro-partition, so the loader would wait for it.
CREATE TABLE IF NOT EXISTS OPS.DATA_SETS_LOCK (
  NAME VARCHAR NOT NULL,
  HELD_BY VARCHAR,
  PRIMARY KEY (NAME)
) COMMENT = 'A row to lock';

MERGE INTO OPS.DATA_SETS_LOCK t
USING (SELECT 'DATA_SETS' AS NAME) s ON t.NAME = s.NAME
WHEN NOT MATCHED THEN INSERT (NAME) VALUES (s.NAME);

-- Producers compare with PROD, so they run as the role that reads every station anyway, never as the loader.
GRANT INSERT, UPDATE ON TABLE OPS.DATA_SETS TO ROLE "<% database %>_ORCHESTRATOR";
GRANT INSERT, UPDATE ON TABLE OPS.DATA_SET_RECORDS TO ROLE "<% database %>_ORCHESTRATOR";
GRANT UPDATE ON TABLE OPS.DATA_SETS_LOCK TO ROLE "<% database %>_ORCHESTRATOR";

-- An amount is at most a billion: 18 digits hold ten million such orders per day and group.
ALTER TABLE PROD.DAILY_SALES ALTER COLUMN REVENUE SET DATA TYPE NUMBER(18, 2);
ALTER TABLE PROD.DAILY_SALES ALTER COLUMN COST SET DATA TYPE NUMBER(18, 2);
ALTER TABLE PROD.DAILY_SALES ALTER COLUMN MARGIN SET DATA TYPE NUMBER(18, 2);
ALTER TABLE PROD.DAILY_PRODUCT_SALES ALTER COLUMN AMOUNT SET DATA TYPE NUMBER(18, 2);
ALTER TABLE PROD.DAILY_PRODUCT_SALES ALTER COLUMN COST SET DATA TYPE NUMBER(18, 2);

-- Whatever STAGING can hold fits: a total and a refund have ten digits before the point, a margin is short of two of them.
ALTER TABLE PROD.ORDERS ALTER COLUMN MARGIN SET DATA TYPE NUMBER(14, 2);
