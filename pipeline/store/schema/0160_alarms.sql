-- An alarm is a rule about a period's number; a threshold is an extraction mode.
ALTER TABLE thresholds RENAME TO alarms;
ALTER TABLE alarms RENAME COLUMN threshold_id TO alarm_id;
UPDATE alarm_states SET alarm = 'alarm:' || substr(alarm, 11) WHERE starts_with(alarm, 'threshold:');
