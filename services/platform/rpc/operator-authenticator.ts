import type { OperatorKey } from "../config/mesh-config.ts";
import { DomainError } from "../errors/domain-error.ts";
import { textsEqual } from "../secrets/keyed-hash.ts";
import type { Authenticator } from "./authenticate.ts";

/**
 * Proves operators by `X-Admin-Key`, or by the same key as `X-API-Key`. A wrong `X-Admin-Key` is refused; an `X-API-Key`
 * that is no operator's may be a merchant's or a bank's, so it counts as absent here.
 */
export function operatorAuthenticator(operators: readonly OperatorKey[]): Authenticator {
  return async (ctx) => {
    const adminKey = ctx.header("x-admin-key");
    const given = adminKey ?? ctx.header("x-api-key");
    if (given === undefined) return undefined;
    let found: OperatorKey | undefined;
    // Every key is compared, so the time taken does not tell which one came near.
    for (const operator of operators) if (textsEqual(operator.key, given)) found = operator;
    if (found !== undefined) return { kind: "operator", name: found.name };
    if (adminKey !== undefined) throw new DomainError("UNAUTHENTICATED");
    return undefined;
  };
}
