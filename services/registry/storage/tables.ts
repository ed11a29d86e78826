import type { Generated } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";

/** The registry's schema as `migrations/` makes it. */
export interface RegistryTables {
  registry_revision: { only_row: Generated<boolean>; revision: bigint };
  banks: BankRow;
  bank_probes: BankProbeRow;
  merchants: MerchantRow;
  oauth_clients: OauthClientRow;
  access_keys: AccessKeyRow;
}

export interface BankRow {
  id: string;
  name: string;
  api_base_url: string;
  auth_server_url: string;
  open_banking_url: string | null;
  card_types: string[];
  bin_ranges: string[];
  wallet_enrollment_supported: boolean;
  logo_url: string | null;
  api_key_sealed: Buffer | null;
  capabilities: string[];
  status: "active" | "inactive" | "maintenance";
  held_by_operator: boolean;
  health: "unknown" | "healthy" | "unhealthy";
  revision: bigint;
  created_at: Date;
  updated_at: Date;
}

export interface BankProbeRow {
  bank_id: string;
  circuit: "closed" | "open";
  failures: number;
  last_probe_at: Date | null;
  next_probe_at: Date;
  lease_until: Date | null;
  lease_token: string | null;
}

export interface MerchantRow {
  id: string;
  name: string;
  status: "active" | "inactive";
  revision: bigint;
  created_at: Date;
  updated_at: Date;
}

export interface OauthClientRow {
  id: string;
  name: string;
  redirect_uris: string[];
  post_logout_redirect_uris: string[];
  scopes: string[];
  merchant_id: string;
  status: "active" | "inactive";
  revision: bigint;
  created_at: Date;
  updated_at: Date;
}

export interface AccessKeyRow {
  key_id: string;
  kind: "bank" | "merchant" | "oauth_client";
  owner_id: string;
  hash: Buffer;
  created_at: Date;
  revoked_at: Date | null;
}

export type RegistryDatabase = Database<RegistryTables>;
