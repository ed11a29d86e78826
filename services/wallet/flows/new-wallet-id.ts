import { randomHex } from "../../platform/secrets/random-token.ts";

/** A wallet's public id: `wal_` and 24 hex characters. */
export function newWalletId(): string {
  return `wal_${randomHex(12)}`;
}
