-- deploy: on change
--
-- The graph is complete: who may run it, what it counts anew, when it runs.

USE ROLE "<% database %>_TRANSFORMER";
USE DATABASE "<% database %>";
USE WAREHOUSE "<% warehouse %>";

-- `dropship consume --follow` asks for a run after a load, as the loader.
GRANT OPERATE ON TASK OPS.REFRESH TO ROLE "<% database %>_ORCHESTRATOR";
GRANT OPERATE ON TASK OPS.REFRESH TO ROLE "<% database %>_LOADER";
GRANT MONITOR ON ALL TASKS IN SCHEMA OPS TO ROLE "<% database %>_ORCHESTRATOR";
GRANT MONITOR ON ALL TASKS IN SCHEMA OPS TO ROLE "<% database %>_LOADER";

-- Streams of earlier versions, which followed events that were perhaps not merged yet.
DROP STREAM IF EXISTS STAGING.DAILY_SALES_ORDERS_STREAM;
DROP STREAM IF EXISTS STAGING.DAILY_SALES_PRODUCTS_STREAM;
DROP STREAM IF EXISTS STAGING.DAILY_PRODUCT_SALES_STREAM;
DROP STREAM IF EXISTS STAGING.DAILY_DELIVERIES_ORDERS_STREAM;
DROP STREAM IF EXISTS STAGING.DAILY_DELIVERIES_PRODUCTS_STREAM;
DROP STREAM IF EXISTS STAGING.CUSTOMER_FIRST_ORDERS_STREAM;

-- The derived tables are counted anew by the next run, as this file may count otherwise than the one before it.
INSERT INTO OPS.CHANGED_ORDERS (ORDER_ID, CHANGED_BY, CHANGED_AT)
SELECT ORDER_ID, 'deployment', SYSDATE() FROM PROD.ORDERS;

-- Retries are one table with a stream for each topic, so a retry of one topic shows in all: one WHEN covers them.
ALTER TASK OPS.REFRESH MODIFY WHEN <% any_stream_has_data %>;

-- Resumes the children first, the root last.
SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('OPS.REFRESH');
