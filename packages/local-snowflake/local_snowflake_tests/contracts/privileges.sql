-- Roles and privileges: what a role may do, and how what it may not is refused
-- source: docs.snowflake.com/en/user-guide/security-access-control-overview
CREATE ROLE CONTRACT_WORKER;
CREATE ROLE CONTRACT_OWNER;
CREATE ROLE CONTRACT_STRANGER;
-- source: docs.snowflake.com/en/sql-reference/sql/use-role (a role is granted to the user, directly or by hierarchy)
-- source: github.com/datalytyx/snowflake-webhooks/issues/4 (the words)
USE ROLE CONTRACT_STRANGER;
--! 003013
--~ Requested role 'CONTRACT_STRANGER' is not assigned to the executing user. Specify another role to activate.
USE ROLE CONTRACT_NOBODY;
--! 002043
GRANT ROLE CONTRACT_OWNER TO ROLE ACCOUNTADMIN;
GRANT ROLE CONTRACT_WORKER TO ROLE CONTRACT_OWNER;
CREATE SCHEMA S;
CREATE TABLE S.T (ID NUMBER, V VARCHAR);
INSERT INTO S.T VALUES (1, 'a');
-- source: docs.snowflake.com/en/sql-reference/sql/use-secondary-roles
USE SECONDARY ROLES NONE;
USE ROLE CONTRACT_WORKER;
SELECT CURRENT_ROLE(), IS_ROLE_IN_SESSION('CONTRACT_WORKER'), IS_ROLE_IN_SESSION('PUBLIC'), IS_ROLE_IN_SESSION('CONTRACT_OWNER');
--= CONTRACT_WORKER | true | true | false
-- source: docs.snowflake.com/en/user-guide/security-access-control-privileges (at least one privilege on database and schema)
SELECT * FROM S.T;
--! 002003
--~ does not exist or not authorized
CREATE DATABASE CONTRACT_NO;
--! 003001
--~ Insufficient privileges to operate on account
-- source: docs.snowflake.com/en/sql-reference/sql/create-resource-monitor (account administrators alone)
CREATE RESOURCE MONITOR IF NOT EXISTS CONTRACT_NO_RM WITH CREDIT_QUOTA = 1;
--! 003001
USE ROLE ACCOUNTADMIN;
SHOW GRANTS OF ROLE CONTRACT_WORKER;
SELECT "grantee_name" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()));
--= CONTRACT_OWNER
DROP ROLE CONTRACT_STRANGER;
-- source: docs.snowflake.com/en/sql-reference/sql/drop-role
DROP ROLE CONTRACT_STRANGER;
--! 002003
USE SECONDARY ROLES ALL;
DROP ROLE CONTRACT_WORKER;
DROP ROLE CONTRACT_OWNER;
