"""Kafka's wire format: frames to requests, responses to frames.

The shapes of messages come from the classes that kio generates out of Apache Kafka's own schema files; reading and
writing is done here, because network bytes need a reader that checks every length. Called by `connection`.
"""
