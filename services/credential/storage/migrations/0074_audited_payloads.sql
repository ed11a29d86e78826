-- From here on the audit knows every token of the installation and every webhook's payload by its ciphertext. Those from before it knows
-- not, and could not be told from ones put back: tokens are minted anew, and events say by themselves what is to be done.
update provider_tokens set data_key_id = null, sealed_token = null where sealed_token is not null;
update webhook_events set data_key_id = null, sealed_payload = null where sealed_payload is not null;
