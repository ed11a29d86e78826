import { DomainError } from "../errors/domain-error.ts";
import type { ResolvedPolicy } from "./policy.ts";
import type { Principal, PrincipalKind } from "./principal.ts";

/** What an authenticator may look at. */
export interface AuthContext {
  header(name: string): string | undefined;
  readonly clientAddress: string;
}

/**
 * Proves one kind of caller from a call's headers. `undefined`: its credential is absent. Throws a DomainError,
 * `UNAUTHENTICATED` or a reason of the service, when it is present and wrong.
 */
export type Authenticator = (ctx: AuthContext) => Promise<Principal | undefined>;

/** The authenticators a service needs for the audiences of its methods; certificates are the platform's own. */
export type Authenticators = Readonly<Partial<Record<Exclude<PrincipalKind, "public" | "service">, Authenticator>>>;

/** The name in the gateway's own certificate: its calls are authenticated by what their headers carry. */
export const gatewayName = "gateway";

/**
 * Decides who calls. A peer that is a service of the mesh is that service and nothing else; the gateway's calls, and a
 * plain listener's, are proved by their headers. Of several credentials the first valid one in the contract's order
 * counts; wrong ones are refused even where credentials are optional.
 */
export async function authenticate(
  policy: ResolvedPolicy,
  peerService: string | undefined,
  authenticators: Authenticators,
  ctx: AuthContext,
): Promise<Principal> {
  if (peerService !== undefined && peerService !== gatewayName) {
    if (policy.audiences.includes("service") && policy.callers.has(peerService)) {
      return { kind: "service", service: peerService };
    }
    if (policy.audiences.includes("public")) return { kind: "public" };
    throw new DomainError("PERMISSION_DENIED");
  }
  let refusal: unknown;
  for (const audience of policy.audiences) {
    if (audience === "service" || audience === "public") continue;
    const authenticator = authenticators[audience];
    if (authenticator === undefined) continue;
    try {
      const principal = await authenticator(ctx);
      if (principal !== undefined) return principal;
    } catch (cause) {
      if (!(cause instanceof DomainError)) throw cause;
      refusal ??= cause;
    }
  }
  if (refusal !== undefined) throw refusal;
  if (policy.audiences.includes("public")) return { kind: "public" };
  throw new DomainError("UNAUTHENTICATED");
}
