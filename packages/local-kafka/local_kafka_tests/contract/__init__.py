"""Cases whose answer is the same from the local broker and from Apache Kafka."""
