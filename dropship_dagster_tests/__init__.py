"""Tests of the platform: they talk to the real embedded services, never to mocks of them."""
