"""The node's speed, measured with real processes: a camera, the node, who listens."""
