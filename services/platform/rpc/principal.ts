/** Who calls, as proved by the credential the policy asks for. */
export type Principal =
  | { readonly kind: "public" }
  | { readonly kind: "mobile_user"; readonly userId: string; readonly deviceId: string }
  | { readonly kind: "web_user"; readonly userId: string; readonly sessionId: string }
  | { readonly kind: "merchant"; readonly merchantId: string; readonly keyId: string }
  | { readonly kind: "bank"; readonly bankId: string }
  | { readonly kind: "service"; readonly service: string }
  | { readonly kind: "operator"; readonly name: string };

export type PrincipalKind = Principal["kind"];

/** The name limits and logs count a caller by: the party it proved to be, else its address. */
export function principalKey(principal: Principal, clientAddress: string): string {
  switch (principal.kind) {
    case "public":
      return `address:${clientAddress}`;
    case "mobile_user":
    case "web_user":
      return `user:${principal.userId}`;
    case "merchant":
      return `merchant:${principal.merchantId}`;
    case "bank":
      return `bank:${principal.bankId}`;
    case "service":
      return `service:${principal.service}`;
    case "operator":
      return `operator:${principal.name}`;
    default: {
      const impossible: never = principal;
      throw new Error(`unreachable principal ${String(impossible)}`);
    }
  }
}

/** The principal when it is of this kind; for handlers whose policy admits several. */
export function principalOf<K extends PrincipalKind>(
  principal: Principal,
  kind: K,
): Extract<Principal, { readonly kind: K }> | undefined {
  // The comparison is what makes the narrower type true.
  return principal.kind === kind ? (principal as Extract<Principal, { readonly kind: K }>) : undefined;
}
