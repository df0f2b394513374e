-- The fields of every event as texts, and VERSION, by which events are known. Reading a field out of a VARIANT is what
-- costs in a staging task: each is read once, and `messages` holds the UNION of its sources in itself, so that the local
-- warehouse computes it once for all that read it, as Snowflake does.
    PAYLOAD:event_id::VARCHAR AS EVENT_ID_TEXT,
    PAYLOAD:event_type::VARCHAR AS EVENT_TYPE,
    PAYLOAD:schema_version::VARCHAR AS SCHEMA_VERSION_TEXT,
    PAYLOAD:version::VARCHAR AS VERSION_TEXT,
    PAYLOAD:event_time::VARCHAR AS EVENT_TIME_TEXT,
    TRY_TO_NUMBER(VERSION_TEXT, 10, 0) AS VERSION
