-- The tables that all sandboxes share take their place in the next migration; what they held was of one run.
drop table faults, calls, settings, webhook_deliveries, webhook_keys;
