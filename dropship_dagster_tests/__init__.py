"""Tests of the platform: they talk to the real local services, never to mocks of them."""
