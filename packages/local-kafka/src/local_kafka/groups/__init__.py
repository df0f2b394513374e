"""Consumer groups with the classic protocol: membership, assignments, committed offsets. Called by `apis`."""
