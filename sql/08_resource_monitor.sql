-- deploy: on change
-- only as: ACCOUNTADMIN
--
-- A ceiling for the warehouse. Only ACCOUNTADMIN creates resource monitors and assigns them
-- (docs.snowflake.com/en/sql-reference/sql/create-resource-monitor): deployed as another role this file is left out, and the
-- recipe in docs/snowflake.md has the statements. A quota that was changed by hand is left as it is.

USE ROLE ACCOUNTADMIN;

CREATE RESOURCE MONITOR IF NOT EXISTS "<% warehouse %>_MONITOR" WITH
  CREDIT_QUOTA = <% credit_quota %>
  FREQUENCY = MONTHLY
  START_TIMESTAMP = IMMEDIATELY
  TRIGGERS
    ON 80 PERCENT DO NOTIFY
    ON 100 PERCENT DO SUSPEND;

ALTER WAREHOUSE "<% warehouse %>" SET RESOURCE_MONITOR = "<% warehouse %>_MONITOR";
