"""What the people and programs of a workspace change and send: keys, access, settings, alarms, webhooks, events."""
