import { TLSSocket } from "node:tls";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { serviceOfPeer } from "../tls/load-mesh-tls.ts";
import { errorHeaders } from "./error-headers.ts";
import { FailedCall, type IncomingCall, type InvokeOptions, MethodInvoker } from "./invoke.ts";
import type { AnyStreamHandler, AnyUnaryHandler, ServiceImplementation } from "./service-implementation.ts";

const messageBytesMax = 256 * 1024;

interface Peer {
  readonly service: string | undefined;
  readonly address: string;
}

const peerKey = createContextKey<Peer>({ service: undefined, address: "" }, { description: "peer" });

/** Serves the same implementations over the Connect protocol (and gRPC-Web) on a Fastify server. */
export async function addConnectRoutes(
  app: FastifyInstance,
  options: InvokeOptions & { readonly implementations: readonly ServiceImplementation[] },
): Promise<void> {
  await app.register(async (scope) => {
    // Connect reads the raw body itself; the server's own parsers stay with its other routes.
    scope.removeAllContentTypeParsers();
    await scope.register(fastifyConnectPlugin, {
      grpc: false,
      readMaxBytes: messageBytesMax,
      writeMaxBytes: messageBytesMax,
      shutdownTimeoutMs: 8_000,
      contextValues: (request: FastifyRequest) => createContextValues().set(peerKey, peerOf(request)),
      routes: (router: ConnectRouter) => {
        for (const implementation of options.implementations) addService(router, implementation, options);
      },
    });
  });
}

function peerOf(request: FastifyRequest): Peer {
  const socket = request.raw.socket;
  const address = socket.remoteAddress ?? "";
  if (!(socket instanceof TLSSocket) || !socket.authorized) return { service: undefined, address };
  return { service: serviceOfPeer(socket.getPeerCertificate().subjectaltname), address };
}

function addService(router: ConnectRouter, implementation: ServiceImplementation, options: InvokeOptions): void {
  const methods: Record<string, unknown> = {};
  for (const method of implementation.service.methods) {
    const handler = implementation.handlers[method.localName];
    const invoker = new MethodInvoker(method, options);
    methods[method.localName] =
      method.methodKind === "unary"
        ? unary(invoker, handler as AnyUnaryHandler) // kind checked on this line
        : stream(invoker, handler as AnyStreamHandler); // the contract has unary and server streams
  }
  router.service(implementation.service, methods as never); // one entry for each method of this descriptor
}

function incomingCall(context: HandlerContext): IncomingCall {
  const peer = context.values.get(peerKey);
  const left = context.timeoutMs();
  return {
    header: (name) => context.requestHeader.get(name) ?? undefined,
    peerService: peer.service,
    peerAddress: peer.address,
    deadlineAt: left === undefined ? Number.POSITIVE_INFINITY : Date.now() + left,
    isGone: () => context.signal.aborted,
    onGone: (listener) => {
      if (context.signal.aborted) listener();
      else context.signal.addEventListener("abort", listener, { once: true });
    },
  };
}

type Request = Parameters<MethodInvoker["unary"]>[1];

function unary(invoker: MethodInvoker, handler: AnyUnaryHandler) {
  return async (request: Request, context: HandlerContext) => {
    try {
      const { message, result } = await invoker.unary(handler, request, incomingCall(context));
      for (const [name, value] of result.headers) context.responseHeader.append(name, value);
      return message;
    } catch (thrown) {
      throw connectError(thrown);
    }
  };
}

function stream(invoker: MethodInvoker, handler: AnyStreamHandler) {
  return async function* (request: Request, context: HandlerContext) {
    try {
      yield* invoker.stream(handler, request, incomingCall(context));
    } catch (thrown) {
      throw connectError(thrown);
    }
  };
}

function connectError(thrown: unknown): ConnectError {
  if (!(thrown instanceof FailedCall)) return new ConnectError("Something went wrong on our side", Code.Internal);
  const { translated, headers } = thrown;
  const metadata = new Headers();
  for (const [name, value] of [...headers, ...errorHeaders(translated)]) metadata.append(name, value);
  // Connect keeps gRPC's numbers; the table names codes 1 to 16 only.
  return new ConnectError(translated.message, translated.code as Code, metadata);
}
