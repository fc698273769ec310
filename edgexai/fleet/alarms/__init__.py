"""Where operators look besides the page: webhooks, MQTT, Home Assistant."""
