"""Cases whose answer is the same from the embedded broker and from Apache Kafka."""
