-- Every refresh writes these rows anew. With room left in their pages the new version stays where the old one is, and no index hears of it:
-- at a million connections each page of an index that is spared is one that is neither read nor written.
alter table data_keys set (fillfactor = 80);
alter table connection_secrets set (fillfactor = 70);
alter table connections set (fillfactor = 80);
