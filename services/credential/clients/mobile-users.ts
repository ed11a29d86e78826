import { createHash } from "node:crypto";
import { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { GrpcCode } from "../../platform/errors/grpc-code.ts";
import type { Authenticator } from "../../platform/rpc/authenticate.ts";
import { createRpcClient } from "../../platform/rpc/client.ts";
import { RpcError } from "../../platform/rpc/rpc-error.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { MeshTls } from "../../platform/tls/load-mesh-tls.ts";

/** How long a sign-out may go unnoticed here, at most. */
export const revocationCacheMs = 15_000;
const cachedTokensMax = 10_000;
const tokenLengthMax = 2_048;
const timeoutMs = 3_000;

/** What proves a phone's user. Whoever makes it closes it. */
export interface MobileUsers {
  readonly authenticate: Authenticator;
  close(): void;
}

/**
 * Phones by their access token, judged by the wallet, which made it: signature, lifetime and sign-out in one question, whose answer
 * is kept for 15 seconds. What the gateway finds forged does not come this far.
 */
export function createMobileUsers(options: {
  /** `host:port` of the wallet's gRPC port. */
  readonly address: string;
  readonly tls: MeshTls;
  readonly clock: Clock;
}): MobileUsers {
  const client = createRpcClient(Wallet, { address: options.address, serverName: "wallet", tls: options.tls });
  const known = new Map<string, { readonly userId: string; readonly deviceId: string; readonly untilMs: number }>();

  const check = async (accessToken: string): Promise<{ userId: string; deviceId: string }> => {
    const nowMs = options.clock.now().getTime();
    const key = createHash("sha256").update(accessToken).digest("base64");
    const kept = known.get(key);
    if (kept !== undefined && kept.untilMs > nowMs && kept.untilMs <= nowMs + revocationCacheMs) return kept;
    known.delete(key);
    const { userId, deviceId } = await client.checkAccessToken({ accessToken }, { timeoutMs }).catch(translate);
    const oldest = known.size >= cachedTokensMax ? known.keys().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    known.set(key, { userId, deviceId, untilMs: nowMs + revocationCacheMs });
    return { userId, deviceId };
  };

  return {
    authenticate: async (ctx) => {
      const token = /^Bearer +([\w.-]+) *$/i.exec(ctx.header("authorization") ?? "")?.[1];
      if (token === undefined) return undefined;
      if (token.length > tokenLengthMax) throw new DomainError("UNAUTHENTICATED");
      const { userId, deviceId } = await check(token);
      return { kind: "mobile_user", userId, deviceId };
    },
    close: () => client.close(),
  };
}

function translate(cause: unknown): never {
  if (!(cause instanceof RpcError)) throw cause;
  throw new DomainError(cause.code === GrpcCode.UNAUTHENTICATED ? "UNAUTHENTICATED" : "UNAVAILABLE", {}, { cause });
}
