import type { ServerUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import { serviceOfPeer } from "../tls/load-mesh-tls.ts";

type AnyServerCall = ServerUnaryCall<never, never> | ServerWritableStream<never, never>;

/** Reading a peer certificate costs more than the rest of a small call, so it is read once for each connection. */
const serviceBySession = new WeakMap<object, { readonly service: string | undefined }>();

/** The mesh service that holds the peer's certificate; undefined on a plain connection or for another authority's. */
export function peerServiceOf(call: Pick<AnyServerCall, "getAuthContext">): string | undefined {
  const session = sessionOf(call);
  const known = session === undefined ? undefined : serviceBySession.get(session);
  if (known !== undefined) return known.service;
  const service = serviceOfPeer(call.getAuthContext()?.sslPeerCertificate?.subjectaltname);
  if (session !== undefined) serviceBySession.set(session, { service });
  return service;
}

/**
 * The HTTP/2 session behind a call. grpc-js keeps it in private fields (`call.stream.session`); when a release moves them
 * this is undefined and the certificate is read for each call, which is slower and as safe.
 */
function sessionOf(call: object): object | undefined {
  const stream: unknown = Reflect.get(Object(Reflect.get(call, "call")), "stream");
  const session: unknown = Reflect.get(Object(stream), "session");
  return typeof session === "object" && session !== null ? session : undefined;
}
