"""Great Expectations suites over the tables of the warehouse, pushed down to it as SQL.

`suites` says what is expected and knows nothing of Great Expectations, which takes five seconds to import; `validate`
runs a suite and is imported by the step that does; `checks` makes asset checks of both.
"""
