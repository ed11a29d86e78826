import type { Logger } from "../telemetry/logger.ts";
import type { Principal } from "./principal.ts";

/** Everything a handler knows of a call beside its request; the same for every transport. */
export interface CallContext {
  /** `paymesh.router.v1.Router/Authorize`. */
  readonly method: string;
  readonly principal: Principal;
  /** Of the caller when it sent a usable one, else made here; in every log line and outgoing call. */
  readonly requestId: string;
  /** W3C trace context for outgoing calls. */
  readonly traceparent: string | undefined;
  /** Aborts at the deadline, or when the caller goes away. */
  readonly signal: AbortSignal;
  /** The client's address as the gateway saw it. */
  readonly clientAddress: string;
  readonly userAgent: string;
  /** A logger that carries method and request id. */
  readonly log: Logger;
  /** Milliseconds until the deadline, at least 0: the timeout of every outgoing call. */
  timeoutMs(): number;
  /** One header of the request, lower-case name. */
  header(name: string): string | undefined;
  /** HTTP status of the REST answer in place of 200; the body stays. */
  setHttpStatus(status: number): void;
  /** Adds a header to the answer, such as `set-cookie`; may be called several times for one name. */
  setHeader(name: string, value: string): void;
}
