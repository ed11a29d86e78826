import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { serviceOfPeer } from "../tls/load-mesh-tls.ts";

/** Whose `x-forwarded-for` counts: nobody's, any peer's (a load balancer on a closed network), or only the mesh gateway's. */
export type TrustProxy = "none" | "peer" | "gateway";

/**
 * The address limits and audit speak of. The last entry of `x-forwarded-for` is used, the one our own proxy wrote; earlier
 * ones are whatever the client claimed.
 */
export function clientAddress(request: IncomingMessage, trust: TrustProxy): string {
  const peer = request.socket.remoteAddress ?? "unknown";
  if (trust === "none" || (trust === "gateway" && peerService(request) !== "gateway")) return peer;
  const forwarded = request.headers["x-forwarded-for"];
  const last = (Array.isArray(forwarded) ? forwarded.join(",") : (forwarded ?? "")).split(",").at(-1)?.trim();
  return last !== undefined && /^[0-9a-fA-F.:]{2,45}$/.test(last) ? last : peer;
}

/** The service named by the peer's verified client certificate, if it showed one. */
function peerService(request: IncomingMessage): string | undefined {
  if (!(request.socket instanceof TLSSocket) || !request.socket.authorized) return undefined;
  return serviceOfPeer(request.socket.getPeerCertificate().subjectaltname);
}
