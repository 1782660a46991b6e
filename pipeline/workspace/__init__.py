"""What the people and programs of a workspace change and send: keys, access, settings, thresholds, webhooks, events."""
