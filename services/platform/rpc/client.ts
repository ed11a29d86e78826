import {
  create,
  type DescMethod,
  type DescService,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Client, connectivityState, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { GrpcCode } from "../errors/grpc-code.ts";
import { type MeshTls, serviceOfPeer } from "../tls/load-mesh-tls.ts";
import { methodDefinition } from "./grpc-server.ts";
import { RpcError } from "./rpc-error.ts";

/** Options of one call. Take them from the CallContext the call is made for. */
export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly requestId?: string;
  readonly traceparent?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Each unary method as a promise, each server stream as an async iterable. Failures are RpcErrors. */
export type RpcClient<S extends DescService> = {
  readonly [K in keyof S["method"]]: S["method"][K] extends { methodKind: "unary"; input: infer I; output: infer O }
    ? (
        request: MessageInitShape<I extends DescMethod["input"] ? I : never>,
        options?: CallOptions,
      ) => Promise<MessageShape<O extends DescMethod["output"] ? O : never>>
    : S["method"][K] extends { methodKind: "server_streaming"; input: infer I; output: infer O }
      ? (
          request: MessageInitShape<I extends DescMethod["input"] ? I : never>,
          options?: CallOptions,
        ) => AsyncIterable<MessageShape<O extends DescMethod["output"] ? O : never>>
      : never;
} & { close(): void };

export interface RpcClientOptions {
  /** `host:port` of the service's gRPC port. */
  readonly address: string;
  /** The peer's name in its certificate; another service's certificate is refused. */
  readonly serverName: string;
  /** Absent: plain text, for tests on the loopback address alone. */
  readonly tls?: MeshTls;
}

/** The longest a call may take when its caller names no timeout. */
const timeoutMsDefault = 10_000;

/** A service that is gone is tried again at least this often, however long it has been gone. */
const reconnectEveryMs = 250;
/** How long a call waits for a service that was gone when it was last tried: two tries, the second for one that just came back. */
const reconnectPatienceMs = 2 * reconnectEveryMs;

/**
 * Makes a client of a service over gRPC with mutual TLS. It connects at the first call and reconnects by itself. A unary call to a
 * service that is gone waits half a second for its return, or half its timeout where that is shorter, then fails as UNAVAILABLE. An
 * aborted call fails as CANCELLED at once.
 */
export function createRpcClient<S extends DescService>(service: S, options: RpcClientOptions): RpcClient<S> {
  const client = new Client(options.address, channelCredentials(options), {
    "grpc.keepalive_time_ms": 30_000,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": reconnectEveryMs,
    "grpc.max_receive_message_length": 4 * 1024 * 1024,
    "grpc.enable_retries": 0,
    "grpc.enable_channelz": 0,
    // Addresses are often numbers, which TLS server names may not be; the certificate carries the service's name.
    "grpc.ssl_target_name_override": options.serverName,
  });
  const methods: Record<string, unknown> = { close: () => client.close() };
  for (const method of service.methods) {
    if (method.methodKind === "unary") methods[method.localName] = unaryCall(client, method);
    if (method.methodKind === "server_streaming") methods[method.localName] = streamCall(client, method);
  }
  return methods as RpcClient<S>; // built from the same descriptor the type is computed from
}

function channelCredentials(options: RpcClientOptions): ReturnType<typeof credentials.createInsecure> {
  if (options.tls === undefined) return credentials.createInsecure();
  const { ca, key, cert } = options.tls;
  return credentials.createSsl(ca, key, cert, {
    checkServerIdentity: (_host, peer) =>
      serviceOfPeer(peer.subjectaltname) === options.serverName
        ? undefined
        : new Error(`the peer is not ${options.serverName}`),
  });
}

function metadataOf(options: CallOptions): Metadata {
  const metadata = new Metadata();
  if (options.requestId !== undefined) metadata.set("x-request-id", options.requestId);
  if (options.traceparent !== undefined) metadata.set("traceparent", options.traceparent);
  for (const [name, value] of Object.entries(options.headers ?? {})) metadata.set(name, value);
  return metadata;
}

function unaryCall(client: Client, method: DescMethod) {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  return async (request: MessageInitShape<DescMethod["input"]>, options: CallOptions = {}): Promise<Message> => {
    const timeoutMs = options.timeoutMs ?? timeoutMsDefault;
    const deadline = Date.now() + timeoutMs;
    if (isGone(client)) {
      // Half of a short timeout stays for the call, which then says that the service is gone, and not that it is slow.
      await itsReturn(client, { waitMs: Math.min(reconnectPatienceMs, timeoutMs / 2), signal: options.signal });
      if (options.signal?.aborted) throw new RpcError(`${path}: cancelled`, { code: GrpcCode.CANCELLED, reason: "" });
    }
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        create(method.input, request),
        metadataOf(options),
        { deadline },
        (error: ServiceError | null, message?: Message) => {
          options.signal?.removeEventListener("abort", cancel);
          if (error === null && message !== undefined) resolve(message);
          else reject(RpcError.from(path, error));
        },
      );
      const cancel = (): void => call.cancel();
      if (options.signal?.aborted) cancel();
      else options.signal?.addEventListener("abort", cancel, { once: true });
    });
  };
}

function isGone(client: Client): boolean {
  return client.getChannel().getConnectivityState(false) === connectivityState.TRANSIENT_FAILURE;
}

/** Resolves when the service is back, at the end of the wait, or on abort: the caller then finds out which. */
function itsReturn(client: Client, wait: { waitMs: number; signal: AbortSignal | undefined }): Promise<void> {
  const { waitMs, signal } = wait;
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      signal?.removeEventListener("abort", done);
      resolve();
    };
    signal?.addEventListener("abort", done);
    client.waitForReady(Date.now() + waitMs, done);
  });
}

function streamCall(client: Client, method: DescMethod) {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  return async function* (
    request: MessageInitShape<DescMethod["input"]>,
    options: CallOptions = {},
  ): AsyncGenerator<Message> {
    const call = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(method.input, request),
      metadataOf(options),
      options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs },
    );
    const cancel = (): void => call.cancel();
    if (options.signal?.aborted) cancel();
    else options.signal?.addEventListener("abort", cancel, { once: true });
    try {
      for await (const message of call) yield message as Message; // responseDeserialize made it
    } catch (thrown) {
      throw RpcError.from(path, thrown as ServiceError); // grpc-js streams fail with nothing else
    } finally {
      options.signal?.removeEventListener("abort", cancel);
      call.cancel();
    }
  };
}
