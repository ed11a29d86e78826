import { type DescMethod, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { genericErrors, translateError } from "../errors/error-table.ts";
import type { MeshTls } from "../tls/load-mesh-tls.ts";
import { errorHeaders } from "./error-headers.ts";
import { FailedCall, type IncomingCall, type InvokeOptions, MethodInvoker } from "./invoke.ts";
import { peerServiceOf } from "./peer-service.ts";
import { addReflection } from "./reflection.ts";
import type { AnyStreamHandler, AnyUnaryHandler, ServiceImplementation } from "./service-implementation.ts";

/** The largest message either way; well above the largest legitimate one. */
const messageBytesMax = 256 * 1024;
const streamsPerConnectionMax = 1_000;
/** How long calls in flight may take to finish at shutdown. */
const drainMs = 8_000;

export interface RpcServerOptions extends InvokeOptions {
  readonly service: string;
  readonly implementations: readonly ServiceImplementation[];
  /** mTLS for peers inside the mesh. Absent: plain text, for tests on the loopback address alone. */
  readonly tls?: MeshTls;
  readonly host: string;
  readonly grpcPort: number;
}

/** A running server. `stop` refuses new calls and waits for those in flight. */
export interface RpcServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Serves implementations over gRPC, with reflection of the whole contract and the standard health service. */
export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  const server = new Server({
    "grpc.max_receive_message_length": messageBytesMax,
    "grpc.max_send_message_length": messageBytesMax,
    "grpc.max_concurrent_streams": streamsPerConnectionMax,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_permit_without_calls": 1,
    // Its counters cost every call some three percent, and nobody here asks them.
    "grpc.enable_channelz": 0,
  });
  for (const implementation of options.implementations) addImplementation(server, implementation, options);
  const health = new HealthImplementation({ "": "SERVING" });
  for (const { service } of options.implementations) health.setStatus(service.typeName, "SERVING");
  health.addToServer(server);
  addReflection(server);
  const port = await bind(server, options);
  return {
    port,
    stop: async () => {
      for (const { service } of options.implementations) health.setStatus(service.typeName, "NOT_SERVING");
      await shutDown(server);
    },
  };
}

function bind(server: Server, options: RpcServerOptions): Promise<number> {
  const credentials =
    options.tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          options.tls.ca,
          [{ private_key: options.tls.key, cert_chain: options.tls.cert }],
          true,
        );
  return new Promise((resolve, reject) => {
    server.bindAsync(`${options.host}:${options.grpcPort}`, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

async function shutDown(server: Server): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    timer = setTimeout(resolve, drainMs);
    server.tryShutdown(() => resolve());
  });
  clearTimeout(timer);
  server.forceShutdown();
}

function addImplementation(server: Server, implementation: ServiceImplementation, options: InvokeOptions): void {
  const definition: Record<string, MethodDefinition<Message, Message>> = {};
  const handlers: UntypedServiceImplementation = {};
  for (const method of implementation.service.methods) {
    const handler = implementation.handlers[method.localName];
    if (handler === undefined) throw new Error(`${method.name} has no handler`);
    const invoker = new MethodInvoker(method, options);
    definition[method.localName] = methodDefinition(method);
    handlers[method.localName] =
      method.methodKind === "unary"
        ? (call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>) =>
            void serveUnary(invoker, handler as AnyUnaryHandler, call, callback) // kind checked on this line
        : (call: ServerWritableStream<Message, Message>) =>
            void serveStream(invoker, handler as AnyStreamHandler, call); // the contract has unary and server streams
  }
  server.addService(definition, handlers);
}

/** The wire form of a method for grpc-js, on both sides. */
export function methodDefinition(method: DescMethod): MethodDefinition<Message, Message> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(method.output, message)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

type AnyServerCall = ServerUnaryCall<Message, Message> | ServerWritableStream<Message, Message>;

function incomingCall(call: AnyServerCall): IncomingCall {
  const deadline = call.getDeadline();
  return {
    header: (name) => {
      const values = call.metadata.get(name);
      return values.length === 0 ? undefined : values.map(String).join(name === "cookie" ? "; " : ", ");
    },
    peerService: peerServiceOf(call),
    peerAddress: call.getPeer().replace(/:\d+$/, ""),
    deadlineAt: deadline instanceof Date ? deadline.getTime() : deadline,
    isGone: () => call.cancelled,
    onGone: (listener) => {
      if (call.cancelled) listener();
      else call.once("cancelled", listener);
    },
  };
}

async function serveUnary(
  invoker: MethodInvoker,
  handler: AnyUnaryHandler,
  call: ServerUnaryCall<Message, Message>,
  callback: sendUnaryData<Message>,
): Promise<void> {
  try {
    const { message, result } = await invoker.unary(handler, call.request, incomingCall(call));
    call.sendMetadata(metadataOf(result.headers));
    callback(null, message);
  } catch (thrown) {
    callback(statusOf(thrown));
  }
}

async function serveStream(
  invoker: MethodInvoker,
  handler: AnyStreamHandler,
  call: ServerWritableStream<Message, Message>,
): Promise<void> {
  const incoming = incomingCall(call);
  try {
    for await (const message of invoker.stream(handler, call.request, incoming)) {
      if (call.cancelled) return;
      if (!call.write(message)) await drained(call);
    }
    call.end();
  } catch (thrown) {
    if (!call.cancelled) call.emit("error", statusOf(thrown));
  }
}

function drained(call: ServerWritableStream<Message, Message>): Promise<void> {
  return new Promise((resolve) => {
    const goOn = (): void => {
      call.off("drain", goOn).off("cancelled", goOn);
      resolve();
    };
    call.once("drain", goOn).once("cancelled", goOn);
  });
}

function metadataOf(headers: readonly (readonly [string, string])[]): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of headers) metadata.add(name, value);
  return metadata;
}

function statusOf(thrown: unknown): {
  code: number;
  details: string;
  metadata: Metadata;
  name: string;
  message: string;
} {
  // The chain itself rejects with FailedCalls alone; what fails before it (a socket that is just going away) is ours to hide.
  const { translated, headers } =
    thrown instanceof FailedCall ? thrown : new FailedCall(translateError(genericErrors, thrown), []);
  return {
    name: "StatusError",
    message: translated.message,
    code: translated.code,
    details: translated.message,
    metadata: metadataOf([...headers, ...errorHeaders(translated)]),
  };
}
