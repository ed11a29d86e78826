-- E-mails are kept as long as a firm may ask about them, then removed, oldest first.
create index connect_emails_age on connect_emails (created_at);
