"""Asset checks: of the CSV files before they are produced, of topics, RAW, STAGING and PROD after they were written.

Critical checks of seeds, topics and RAW block what is downstream. Those of PROD have only the report downstream, which
must be written above all when something is wrong; so they do not block, and fail their step instead, after every
result is recorded. In both ways the run fails.
"""
