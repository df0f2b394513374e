-- The server's own tables, in the file of the data so that they commit together with it.
CREATE SCHEMA IF NOT EXISTS _sf;
SET search_path = 'warehouse._sf';

-- Another value after each change of a definition: what was translated for one value is good as long as it stays.
CREATE TABLE IF NOT EXISTS definitions (state VARCHAR);
INSERT INTO definitions SELECT uuid() WHERE NOT EXISTS (FROM definitions);

-- The code that has translated the views.
CREATE TABLE IF NOT EXISTS translated (code VARCHAR);

CREATE TABLE IF NOT EXISTS databases (name VARCHAR, comment VARCHAR, created TIMESTAMPTZ, transient BOOLEAN);
CREATE TABLE IF NOT EXISTS schemas (
    database VARCHAR, name VARCHAR, comment VARCHAR, created TIMESTAMPTZ, transient BOOLEAN
);
CREATE TABLE IF NOT EXISTS stages (
    database VARCHAR, schema VARCHAR, name VARCHAR, folder VARCHAR, file_format VARCHAR, comment VARCHAR,
    created TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS file_formats (
    database VARCHAR, schema VARCHAR, name VARCHAR, type VARCHAR, options VARCHAR, comment VARCHAR, created TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS sequences (
    database VARCHAR, schema VARCHAR, name VARCHAR, start BIGINT, increment BIGINT, comment VARCHAR, created TIMESTAMPTZ
);

-- A change log a tracked table (log_<id>), one sequence numbers the statements of all of them. While floor is not NULL,
-- the rows of the table above that row id belong to the log without being in it; their _seq is origin + the row id.
CREATE SEQUENCE IF NOT EXISTS change_statement;
CREATE TABLE IF NOT EXISTS logs (
    id VARCHAR, database VARCHAR, schema VARCHAR, name VARCHAR, stale BOOLEAN, floor BIGINT, origin BIGINT
);
CREATE TABLE IF NOT EXISTS streams (
    id VARCHAR, database VARCHAR, schema VARCHAR, name VARCHAR, log_id VARCHAR, mode VARCHAR, initial BOOLEAN,
    start_seq BIGINT, comment VARCHAR, created TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS stream_offsets (stream_id VARCHAR, seq BIGINT, advanced TIMESTAMPTZ);

CREATE TABLE IF NOT EXISTS load_history (
    database VARCHAR, schema VARCHAR, name VARCHAR, file VARCHAR, md5 VARCHAR, rows_loaded BIGINT, loaded TIMESTAMPTZ
);

-- Account objects; who owns what, and who was granted what. What has no owner here belongs to ACCOUNTADMIN.
CREATE TABLE IF NOT EXISTS objects (
    kind VARCHAR, name VARCHAR, properties VARCHAR, comment VARCHAR, created TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS grants (
    created TIMESTAMPTZ, privilege VARCHAR, granted_on VARCHAR, name VARCHAR, granted_to VARCHAR, grantee VARCHAR,
    grant_option BOOLEAN
);
ALTER TABLE grants ADD COLUMN IF NOT EXISTS granted_by VARCHAR;
CREATE TABLE IF NOT EXISTS future_grants (
    privilege VARCHAR, kind VARCHAR, database VARCHAR, schema VARCHAR, grantee VARCHAR, grant_option BOOLEAN
);
-- Since when grants are enforced in this file.
CREATE TABLE IF NOT EXISTS enforced (since TIMESTAMPTZ);

CREATE TABLE IF NOT EXISTS tasks (
    id VARCHAR, database VARCHAR, schema VARCHAR, name VARCHAR, definition VARCHAR, condition VARCHAR, schedule VARCHAR,
    predecessors VARCHAR[], finalizes VARCHAR, state VARCHAR, warehouse VARCHAR, config VARCHAR, comment VARCHAR,
    properties VARCHAR, created TIMESTAMPTZ, resumed TIMESTAMPTZ, scheduled_until TIMESTAMPTZ, suspended TIMESTAMPTZ,
    suspended_reason VARCHAR, failures BIGINT
);
CREATE TABLE IF NOT EXISTS task_history (
    entry VARCHAR, task_id VARCHAR, query_id VARCHAR, name VARCHAR, database_name VARCHAR, schema_name VARCHAR,
    query_text VARCHAR, condition_text VARCHAR, state VARCHAR, error_code VARCHAR, error_message VARCHAR,
    scheduled_time TIMESTAMPTZ, query_start_time TIMESTAMPTZ, completed_time TIMESTAMPTZ, root_task_id VARCHAR,
    run_id BIGINT, return_value VARCHAR, scheduled_from VARCHAR, attempt_number BIGINT, graph_run_group_id BIGINT,
    config VARCHAR
);
