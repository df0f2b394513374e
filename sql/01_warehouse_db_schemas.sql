-- deploy: once
-- replaces: 8652c24909cc95b7d32add18b59b57bb0d65725a7b009f585cbf023b350ee2b0
--
-- Warehouse, database, schemas and roles, with least privilege.
--
-- Variables: <% database %>, <% warehouse %>, <% admin_role %> (ACCOUNTADMIN, or a role with CREATE DATABASE, CREATE
-- WAREHOUSE, CREATE ROLE, MANAGE GRANTS, and EXECUTE TASK with the grant option: docs/snowflake.md).
--
-- Roles, all granted to the admin role:
--   <database>_LOADER        writes RAW through the stage and moves the offsets
--   <database>_TRANSFORMER   owns tables, streams, tasks and views; the tasks run as this role
--   <database>_READER        reads PROD: the dashboard and the reports
--   <database>_ORCHESTRATOR  starts and watches the task graph, reads every station

USE ROLE "<% admin_role %>";

-- Each resume bills at least 60 seconds, so a shorter AUTO_SUSPEND saves nothing. Recent accounts create warehouses of the
-- second generation, with query acceleration, which cost more and gain nothing at this size
-- (docs.snowflake.com/en/user-guide/warehouses-gen2). 08_resource_monitor.sql gives it a ceiling.
CREATE WAREHOUSE IF NOT EXISTS "<% warehouse %>"
  WAREHOUSE_SIZE = XSMALL
  GENERATION = '1'
  ENABLE_QUERY_ACCELERATION = FALSE
  AUTO_SUSPEND = 60
  AUTO_RESUME = TRUE
  INITIALLY_SUSPENDED = TRUE
  COMMENT = 'Dropship: loading, tasks, dashboard';

CREATE DATABASE IF NOT EXISTS "<% database %>" COMMENT = 'Dropship: a drop-shipping clothing shop';

USE DATABASE "<% database %>";

CREATE SCHEMA IF NOT EXISTS RAW COMMENT = 'Messages as they came from Kafka, one table a topic';
CREATE SCHEMA IF NOT EXISTS STAGING COMMENT = 'Typed and validated events, and the rejected ones with a reason';
CREATE SCHEMA IF NOT EXISTS PROD COMMENT = 'The shop as it is: entities, histories, sales, and the views over them';
CREATE SCHEMA IF NOT EXISTS OPS COMMENT = 'Offsets, loads, tasks, deployments, checks';

CREATE ROLE IF NOT EXISTS "<% database %>_LOADER" COMMENT = 'Dropship: loads Kafka into RAW';
CREATE ROLE IF NOT EXISTS "<% database %>_TRANSFORMER" COMMENT = 'Dropship: owns tables, streams, tasks and views';
CREATE ROLE IF NOT EXISTS "<% database %>_READER" COMMENT = 'Dropship: reads PROD';
CREATE ROLE IF NOT EXISTS "<% database %>_ORCHESTRATOR" COMMENT = 'Dropship: starts and watches the task graph';

GRANT ROLE "<% database %>_LOADER" TO ROLE "<% admin_role %>";
GRANT ROLE "<% database %>_TRANSFORMER" TO ROLE "<% admin_role %>";
GRANT ROLE "<% database %>_READER" TO ROLE "<% admin_role %>";
GRANT ROLE "<% database %>_ORCHESTRATOR" TO ROLE "<% admin_role %>";

GRANT USAGE ON WAREHOUSE "<% warehouse %>" TO ROLE "<% database %>_LOADER";
GRANT USAGE ON WAREHOUSE "<% warehouse %>" TO ROLE "<% database %>_TRANSFORMER";
GRANT USAGE ON WAREHOUSE "<% warehouse %>" TO ROLE "<% database %>_READER";
GRANT USAGE ON WAREHOUSE "<% warehouse %>" TO ROLE "<% database %>_ORCHESTRATOR";

GRANT USAGE ON DATABASE "<% database %>" TO ROLE "<% database %>_LOADER";
GRANT USAGE ON DATABASE "<% database %>" TO ROLE "<% database %>_TRANSFORMER";
GRANT USAGE ON DATABASE "<% database %>" TO ROLE "<% database %>_READER";
GRANT USAGE ON DATABASE "<% database %>" TO ROLE "<% database %>_ORCHESTRATOR";

GRANT USAGE ON SCHEMA RAW TO ROLE "<% database %>_LOADER";
GRANT USAGE ON SCHEMA OPS TO ROLE "<% database %>_LOADER";
GRANT USAGE ON SCHEMA PROD TO ROLE "<% database %>_READER";
GRANT USAGE ON ALL SCHEMAS IN DATABASE "<% database %>" TO ROLE "<% database %>_ORCHESTRATOR";

-- The transformer makes and so owns everything inside the schemas.
GRANT ALL PRIVILEGES ON SCHEMA RAW TO ROLE "<% database %>_TRANSFORMER";
GRANT ALL PRIVILEGES ON SCHEMA STAGING TO ROLE "<% database %>_TRANSFORMER";
GRANT ALL PRIVILEGES ON SCHEMA PROD TO ROLE "<% database %>_TRANSFORMER";
GRANT ALL PRIVILEGES ON SCHEMA OPS TO ROLE "<% database %>_TRANSFORMER";
GRANT EXECUTE TASK ON ACCOUNT TO ROLE "<% database %>_TRANSFORMER";

USE ROLE "<% database %>_TRANSFORMER";
USE DATABASE "<% database %>";

-- Grain: a file of this folder that was deployed. Written and read by the deployment.
CREATE TABLE IF NOT EXISTS OPS.SCHEMA_MIGRATIONS (
  FILE VARCHAR NOT NULL COMMENT 'Name of the SQL file',
  CHECKSUM VARCHAR NOT NULL COMMENT 'SHA-256 of the file as it was deployed',
  STATEMENTS NUMBER(10, 0) NOT NULL COMMENT 'Statements it held',
  APPLIED_AT TIMESTAMP_NTZ(3) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (FILE)
) COMMENT = 'Which files of sql/ this database was made from';
