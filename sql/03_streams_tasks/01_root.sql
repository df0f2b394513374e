-- deploy: on change
--
-- Streams and the task graph, all tasks in OPS (a graph lives in one schema):
--
--   OPS.REFRESH ── STAGE_CUSTOMERS ──── MERGE_CUSTOMERS, MERGE_CUSTOMERS_HISTORY
--              ├── STAGE_PRODUCTS ───── MERGE_PRODUCTS, MERGE_PRODUCTS_HISTORY, MERGE_SUPPLIERS
--              └── STAGE_ORDER_EVENTS ─ MERGE_ORDERS, MERGE_ORDER_LINES, MERGE_ORDER_STATUS_HISTORY
--   MERGE_DAILY_SALES and MERGE_DAILY_SUPPLIER_DELIVERIES come after MERGE_ORDERS, MERGE_ORDER_LINES and MERGE_PRODUCTS;
--   MERGE_DAILY_PRODUCT_SALES and MERGE_CUSTOMER_FIRST_ORDERS after MERGE_ORDERS and MERGE_ORDER_LINES. Whoever reads
--   OPS.CHANGED_ORDERS comes after both that write to it, so that a run leaves nothing in its streams.
--
-- PROD converges to the fold of the accepted events in whatever order, however often and beside whatever else the tasks
-- run. The edges of the graph only make that happen within one run. Three rules see to it:
--
--   1. A task reads a stream of its own in the transaction that uses its rows, so the stream moves on when the change is
--      committed and only then. A task that fails or is killed leaves its events to the next run.
--   2. STAGING holds each message once and each (entity, version) with one content. A MERGE compares versions, so events
--      may come late, twice and in any order.
--   3. A derived table is driven by the changes of the tables that it is computed from, never by events that another
--      task may not have merged yet: MERGE_ORDERS and MERGE_ORDER_LINES write the orders that they change to
--      OPS.CHANGED_ORDERS in their own transaction, and PROD.PRODUCTS has streams.
--
-- One file per domain holds its streams and its tasks; the files are deployed together, in the order of their numbers,
-- whenever one of them changed. fragments/ holds what the staging tasks share: a variable that has the name of
-- a file there stands for its text. any_stream_has_data stands for SYSTEM$STREAM_HAS_DATA of every stream that is created
-- here.
--
-- Only the root has a WHEN; a child without events is a statement that changes nothing. The streams on RAW, STAGING and
-- OPS.CHANGED_ORDERS are append-only: these tables get inserts, and retention may delete what was read.
-- Incremental rebuilds of days also filter order lines by the range of affected dates, so that partitions are pruned:
-- one comparison per line, where a join on TO_DATE alone computes the day of every line that was ever ordered.
-- A task of several statements is wrapped in EXECUTE IMMEDIATE, so that clients which cut files at semicolons read it as
-- one (docs.snowflake.com/en/developer-guide/snowflake-scripting/running-examples).

USE ROLE "<% database %>_TRANSFORMER";
USE DATABASE "<% database %>";
USE WAREHOUSE "<% warehouse %>";

-- A graph is changed while its root is suspended.
ALTER TASK IF EXISTS OPS.REFRESH SUSPEND;

-- 90_start.sql adds its WHEN, when the streams are there. The schedule is DROPSHIP_REFRESH_SCHEDULE; without one the root is
-- a triggered task, which runs when a stream of its WHEN gets data (docs.snowflake.com/en/user-guide/tasks-triggered).
CREATE OR REPLACE TASK OPS.REFRESH
  WAREHOUSE = "<% warehouse %>"
  <% refresh_schedule %>
  OVERLAP_POLICY = NO_OVERLAP
  SUSPEND_TASK_AFTER_NUM_FAILURES = 10
  COMMENT = 'Root of the graph that carries RAW into STAGING and PROD'
AS SELECT 1;
