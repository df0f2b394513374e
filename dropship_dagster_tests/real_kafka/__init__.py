"""Apache Kafka itself: a cluster a test can break, and the platform's stream, loader and faults on it."""
