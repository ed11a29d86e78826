import type { Item } from "../domain/item.ts";
import { plaidError } from "../domain/plaid-error.ts";
import type { ApiDeps } from "./api-deps.ts";

/** The item an access token leads to, whatever its state. Throws for an unknown token and a removed item. */
export async function itemOfToken(deps: ApiDeps, accessToken: string): Promise<Item> {
  const item = await deps.items.findByAccessToken(deps.tokens.hash("access", accessToken));
  if (item === undefined) throw plaidError("INVALID_ACCESS_TOKEN");
  if (item.state === "removed") throw plaidError("ITEM_NOT_FOUND");
  return item;
}

/** The same for data: throws when the person has to sign in again or took the permission back. */
export async function usableItem(deps: ApiDeps, accessToken: string): Promise<Item> {
  const item = await itemOfToken(deps, accessToken);
  if (item.state === "login_required") throw plaidError("ITEM_LOGIN_REQUIRED");
  if (item.state === "revoked") throw plaidError("USER_PERMISSION_REVOKED");
  return item;
}
