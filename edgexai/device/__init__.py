"""What runs on a node: the explainer, the policy when to explain, the outbox and the MQTT agent."""
