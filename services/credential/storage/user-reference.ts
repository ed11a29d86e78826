import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { associatedData } from "../../platform/vault/associated-data.ts";
import type { Owner } from "../domain/connection.ts";
import type { Storage } from "./storage.ts";

/** Our user as providers know him: 64 hex digits that are the same every time and say nothing of who he is. */
export function userReference(storage: Pick<Storage, "userReferenceKey">, owner: Owner): string {
  const name = associatedData({ tenant: owner.tenant, userId: owner.userId }).toString("base64");
  return keyedHash(storage.userReferenceKey, name).toString("hex");
}
