-- The rules of every event, in order. The task gives ENTITY, ID_FIELD, IS_KNOWN_TYPE and IS_NO_TEXT, which asks for a
-- value's type only where its text could be that of another type.
      WHEN PAYLOAD IS NULL THEN IFF(
        VALUE IS NULL, 'the message has no value (a tombstone)', 'the value is not JSON in UTF-8'
      )
      WHEN EVENT_ID_TEXT IS NULL THEN IFF(
        TYPEOF(PAYLOAD) <> 'OBJECT', 'the value is not a JSON object', 'event_id is missing'
      )
      WHEN EVENT_ID IS NULL OR NOT REGEXP_LIKE(
        EVENT_ID, '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}'
      ) THEN 'event_id is not a UUID'
      WHEN EVENT_TYPE IS NULL THEN 'event_type is missing'
      WHEN NOT IS_KNOWN_TYPE THEN 'event_type is not one of ' || ENTITY
      WHEN SCHEMA_VERSION_TEXT IS NULL THEN 'schema_version is missing'
      WHEN SCHEMA_VERSION IS NULL OR TO_VARCHAR(SCHEMA_VERSION) <> SCHEMA_VERSION_TEXT
        THEN 'schema_version is not an integer'
      WHEN VERSION_TEXT IS NULL THEN 'version is missing'
      WHEN VERSION IS NULL OR TO_VARCHAR(VERSION) <> VERSION_TEXT THEN 'version is not an integer'
      WHEN VERSION < 1 THEN 'version is less than 1'
      WHEN EVENT_TIME_TEXT IS NULL THEN 'event_time is missing'
      WHEN EVENT_TIME IS NULL OR LENGTH(EVENT_TIME_TEXT) <> 24
        THEN 'event_time is not a UTC time like 2026-01-31T12:00:00.000Z'
      WHEN EVENT_TIME < '1970-01-01'::TIMESTAMP_NTZ OR EVENT_TIME >= '2200-01-01'::TIMESTAMP_NTZ
        THEN 'event_time is not between the years 1970 and 2199'
      WHEN ENTITY_ID IS NULL THEN ID_FIELD || ' is missing'
      WHEN IS_NO_TEXT THEN ID_FIELD || ' is not a text'
      WHEN LENGTH(ENTITY_ID) > 100 OR ENTITY_ID = '' THEN ID_FIELD || ' is not an identifier of 1 to 100 characters'
