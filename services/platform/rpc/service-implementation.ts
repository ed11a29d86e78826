import type {
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { CallContext } from "./call-context.ts";

/** A unary method: a plain function, served by every transport. Answers with the fields of its response message. */
export type UnaryHandler<M extends DescMethodUnary> = (
  request: MessageShape<M["input"]>,
  ctx: CallContext,
) => Promise<MessageInitShape<M["output"]>>;

/** A server stream: ends when its iterator does, or when `ctx.signal` aborts. */
export type StreamHandler<M extends DescMethodServerStreaming> = (
  request: MessageShape<M["input"]>,
  ctx: CallContext,
) => AsyncIterable<MessageInitShape<M["output"]>>;

/** One handler for each method of a service, under the method's local name. */
export type Handlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: S["method"][K] extends DescMethodUnary
    ? UnaryHandler<S["method"][K]>
    : S["method"][K] extends DescMethodServerStreaming
      ? StreamHandler<S["method"][K]>
      : never;
};

/** A handler whose message types the transports have checked. */
export type AnyUnaryHandler = (request: unknown, ctx: CallContext) => Promise<Record<string, unknown>>;
export type AnyStreamHandler = (request: unknown, ctx: CallContext) => AsyncIterable<Record<string, unknown>>;

/** A service with its handlers, ready to be served. */
export interface ServiceImplementation {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, AnyUnaryHandler | AnyStreamHandler>>;
}

/** Joins a service and its handlers. Throws when a method has none, so that a new method cannot be forgotten. */
export function implement<S extends DescService>(service: S, handlers: Handlers<S>): ServiceImplementation {
  for (const method of service.methods) {
    if (!(method.localName in handlers)) throw new Error(`${service.typeName}.${method.name} has no handler`);
  }
  // Handlers<S> types each handler against its own method; transports look them up by the same descriptor.
  return { service, handlers: handlers as unknown as ServiceImplementation["handlers"] };
}
