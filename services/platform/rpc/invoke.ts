import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { DomainError } from "../errors/domain-error.ts";
import { type ErrorTable, type TranslatedError, translateError } from "../errors/error-table.ts";
import { GrpcCode } from "../errors/grpc-code.ts";
import { uuidv7 } from "../ids/uuidv7.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";
import type { Logger } from "../telemetry/logger.ts";
import { counter, histogram } from "../telemetry/metrics.ts";
import { openTrace } from "../telemetry/tracing.ts";
import { type Authenticators, authenticate, gatewayName } from "./authenticate.ts";
import type { CallContext } from "./call-context.ts";
import { policyOf, type RateLimitClass, type ResolvedPolicy, refusedCalls } from "./policy.ts";
import { principalKey } from "./principal.ts";
import { requiredFieldsCheck } from "./required-fields.ts";
import type { AnyStreamHandler, AnyUnaryHandler } from "./service-implementation.ts";

/** What a service gives to every call, whatever the transport. */
export interface InvokeOptions {
  readonly authenticators: Authenticators;
  readonly errorTable: ErrorTable;
  readonly log: Logger;
  /** Absent: nothing is counted, for services without a limited method. */
  readonly limiter?: RateLimiter;
}

/** A call as its transport hands it over. */
export interface IncomingCall {
  header(name: string): string | undefined;
  /** The service named by the peer's certificate; undefined on a plain listener. */
  readonly peerService: string | undefined;
  readonly peerAddress: string;
  /** Epoch milliseconds, Infinity when the caller set none. */
  readonly deadlineAt: number;
  /** Whether the caller has gone away. */
  isGone(): boolean;
  /** Calls back once when the caller goes away; at once when it already has. */
  onGone(listener: () => void): void;
}

/** An answer as its transport sends it. */
export interface CallResult {
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const requestsTotal = counter("rpc_requests", "Calls by method and gRPC code");
const requestSeconds = histogram("rpc_duration", "Time from arrival to answer by method");
const callerGone = new DomainError("CANCELLED");
const requestIdShape = /^[A-Za-z0-9._-]{8,64}$/;

/** A method prepared once: policy, required fields, metric names. */
export class MethodInvoker {
  readonly method: DescMethod;
  readonly #name: string;
  readonly #policy: ResolvedPolicy;
  readonly #checkRequired: (request: Message) => void;
  readonly #options: InvokeOptions;

  constructor(method: DescMethod, options: InvokeOptions) {
    this.method = method;
    this.#name = `${method.parent.typeName}/${method.name}`;
    this.#policy = policyOf(method);
    this.#checkRequired = requiredFieldsCheck(method.input);
    this.#options = options;
  }

  /** Runs the chain for a unary call. Rejects with a TranslatedError, never with anything else. */
  async unary(
    handler: AnyUnaryHandler,
    request: Message,
    call: IncomingCall,
  ): Promise<{ message: Message; result: CallResult }> {
    const run = new CallRun(this.#name, this.#policy, this.#options, call);
    try {
      await run.admit(() => this.#checkRequired(request));
      const fields = await run.beforeDeadline(handler(request, run));
      run.finish("OK");
      return { message: create(this.method.output, fields), result: run };
    } catch (thrown) {
      throw run.fail(thrown);
    }
  }

  /** Runs the chain for a server stream: messages as they come, a TranslatedError at the end if it fails. */
  async *stream(handler: AnyStreamHandler, request: Message, call: IncomingCall): AsyncGenerator<Message> {
    const run = new CallRun(this.#name, this.#policy, this.#options, call);
    try {
      await run.admit(() => this.#checkRequired(request));
      for await (const fields of handler(request, run)) yield create(this.method.output, fields);
      run.finish("OK");
    } catch (thrown) {
      throw run.fail(thrown);
    }
  }
}

/** One call in flight: the CallContext that handlers see, and the bookkeeping around it. */
class CallRun implements CallContext, CallResult {
  readonly method: string;
  readonly requestId: string;
  readonly traceparent: string | undefined;
  readonly clientAddress: string;
  readonly headers: (readonly [string, string])[] = [];
  principal: CallContext["principal"] = { kind: "public" };
  readonly #policy: ResolvedPolicy;
  readonly #options: InvokeOptions;
  readonly #call: IncomingCall;
  readonly #startedAt = performance.now();
  readonly #deadlineAt: number;
  readonly #endTrace: (code: string) => void;
  #abort: AbortController | undefined;
  #log: Logger | undefined;

  constructor(method: string, policy: ResolvedPolicy, options: InvokeOptions, call: IncomingCall) {
    this.method = method;
    this.#policy = policy;
    this.#options = options;
    this.#call = call;
    const given = call.header("x-request-id");
    this.requestId = given !== undefined && requestIdShape.test(given) ? given : uuidv7();
    const trace = openTrace(method, call.header("traceparent"));
    this.traceparent = trace.traceparent;
    this.#endTrace = trace.end;
    // Only the gateway stands where it can know the client; it writes the header anew for each request.
    const forwarded =
      call.peerService === gatewayName
        ? (call.header("x-envoy-external-address") ?? lastHop(call.header("x-forwarded-for")))
        : undefined;
    this.clientAddress = forwarded ?? call.peerAddress;
    this.#deadlineAt = Math.min(call.deadlineAt, policy.timeoutMs === 0 ? Infinity : Date.now() + policy.timeoutMs);
    this.headers.push(["x-request-id", this.requestId]);
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      // A reason made once: the default one builds an error with a stack for every call, whoever looks at it.
      this.#call.onGone(() => abort.abort(callerGone));
    }
    return this.#abort.signal;
  }

  get userAgent(): string {
    return (this.#call.header("user-agent") ?? "").slice(0, 200);
  }

  get log(): Logger {
    this.#log ??= this.#options.log.child({ method: this.method, requestId: this.requestId });
    return this.#log;
  }

  timeoutMs(): number {
    return this.#deadlineAt === Infinity ? 60_000 : Math.max(0, this.#deadlineAt - Date.now());
  }

  header(name: string): string | undefined {
    return this.#call.header(name);
  }

  setHttpStatus(status: number): void {
    this.headers.push(["x-http-status", String(status)]);
  }

  setHeader(name: string, value: string): void {
    this.headers.push([name, value]);
  }

  /** Authentication, limits, then the shape of the request: an unknown caller learns nothing of the contract. */
  async admit(checkRequest: () => void): Promise<void> {
    const { authenticators } = this.#options;
    try {
      this.principal = await authenticate(this.#policy, this.#call.peerService, authenticators, this);
    } catch (refusal) {
      await this.#count(refusedCalls, `address:${this.clientAddress}`);
      throw refusal;
    }
    if (this.principal.kind !== "service") {
      await this.#count(this.#policy.rateClass, principalKey(this.principal, this.clientAddress));
    }
    checkRequest();
  }

  /** Takes one permit of a class; throws `RATE_LIMITED`, or `UNAVAILABLE` where the counters cannot be reached. */
  async #count(rateClass: RateLimitClass, key: string): Promise<void> {
    const { limiter } = this.#options;
    if (limiter === undefined || rateClass.name === "unlimited") return;
    const { limit, windowSeconds, chunk } = rateClass;
    const taken = await limiter
      .take({ class: rateClass.name, key, limit, windowSeconds, chunk })
      .catch((cause: unknown) => {
        throw new DomainError("UNAVAILABLE", {}, { cause });
      });
    if (!taken.allowed) throw new DomainError("RATE_LIMITED", { retryAfterSeconds: taken.retryAfterSeconds });
  }

  /** Waits for the handler until the deadline; the handler's signal aborts then. */
  async beforeDeadline<T>(work: Promise<T>): Promise<T> {
    if (this.#deadlineAt === Infinity) return work;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#abort?.abort(callerGone);
        reject(new DomainError("DEADLINE_EXCEEDED"));
      }, this.#deadlineAt - Date.now());
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  finish(code: string): void {
    requestsTotal.add(1, { method: this.method, code });
    requestSeconds.record((performance.now() - this.#startedAt) / 1000, { method: this.method });
    this.#endTrace(code);
  }

  /** Ends a failed call: counts it, logs the cause of what is our own fault or our database's, and gives what the caller may see. */
  fail(thrown: unknown): FailedCall {
    const goneAway = this.#call.isGone() && !(thrown instanceof DomainError);
    const error = translateError(this.#options.errorTable, goneAway ? new DomainError("CANCELLED") : thrown);
    this.finish(codeName(error.code));
    const isOurs = error.code === GrpcCode.UNAVAILABLE && !(thrown instanceof DomainError);
    if (error.code === GrpcCode.INTERNAL || isOurs) this.log.error({ err: thrown }, "call failed");
    else this.log.debug({ reason: error.reason, code: error.code, err: thrown }, "call refused");
    const headers = this.headers.filter(([name]) => name !== "x-http-status");
    return new FailedCall(error, headers);
  }
}

/** A translated error with the headers that go with it. */
export class FailedCall extends Error {
  readonly translated: TranslatedError;
  readonly headers: CallResult["headers"];

  constructor(translated: TranslatedError, headers: CallResult["headers"]) {
    super(translated.message);
    this.translated = translated;
    this.headers = headers;
  }
}

const codeNames = new Map<number, string>(Object.entries(GrpcCode).map(([name, code]) => [code, name]));

function codeName(code: number): string {
  return codeNames.get(code) ?? "UNKNOWN";
}

/** The address nearest to us in the list, which the gateway itself appended. */
function lastHop(forwardedFor: string | undefined): string | undefined {
  return forwardedFor?.split(",").at(-1)?.trim();
}
