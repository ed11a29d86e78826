import { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { GrpcCode } from "../../platform/errors/grpc-code.ts";
import { createRpcClient } from "../../platform/rpc/client.ts";
import { RpcError } from "../../platform/rpc/rpc-error.ts";
import type { MeshTls } from "../../platform/tls/load-mesh-tls.ts";

const timeoutMs = 3_000;
const sessionsMax = 2;
/** The wallet's session, and nothing else of what a browser sends here. */
const sessionPair = /^wsim\.sid=[\w-]{1,100}$/;

/** Who is signed in at a browser. Whoever makes it closes it. */
export interface WebVisitors {
  /** The user of the wallet's session in a `Cookie` header; undefined for none. Throws `UNAVAILABLE` while the wallet cannot be asked. */
  userOf(cookieHeader: string | undefined): Promise<string | undefined>;
  close(): void;
}

/** Browsers by the wallet's session cookie, asked from the wallet each time: whoever signs out there is out here. */
export function createWebVisitors(options: {
  /** `host:port` of the wallet's gRPC port. */
  readonly address: string;
  readonly tls: MeshTls;
}): WebVisitors {
  const client = createRpcClient(Wallet, { address: options.address, serverName: "wallet", tls: options.tls });
  return {
    async userOf(cookieHeader) {
      const pairs = (cookieHeader ?? "").split(";").map((pair) => pair.trim());
      const cookie = pairs
        .filter((pair) => sessionPair.test(pair))
        .slice(0, sessionsMax)
        .join("; ");
      if (cookie === "") return undefined;
      try {
        return (await client.checkWebSession({ cookie }, { timeoutMs })).userId;
      } catch (cause) {
        if (!(cause instanceof RpcError)) throw cause;
        if (cause.code === GrpcCode.UNAUTHENTICATED) return undefined;
        throw new DomainError("UNAVAILABLE", {}, { cause });
      }
    },
    close: () => client.close(),
  };
}
