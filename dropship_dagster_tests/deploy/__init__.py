"""The way to real services: containers, an account, Kafka Connect, the commands that the documents show."""
