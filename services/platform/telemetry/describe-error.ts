import { DomainError } from "../errors/domain-error.ts";

const messageLengthMax = 300;
const causeDepthMax = 4;

/** Shapes of secrets that libraries may quote in their messages: JWTs, bearer values, card and wallet tokens, URLs with user info or query. */
const secretShapes: readonly RegExp[] = [
  /eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}/g,
  /\b(?:bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}/gi,
  /\b(?:ctok|wcred|tsim|wsim)_[A-Za-z0-9_-]{6,}/g,
  /\/\/[^/\s:@]+:[^/\s@]+@/g,
  /\?[^\s"']+/g,
  /\b\d{12,19}\b/g,
];

/** What a log may say of an error: name, code, scrubbed message, the frames of its stack, and its causes. */
export interface DescribedError {
  readonly name: string;
  readonly message: string;
  readonly reason?: string;
  readonly code?: string;
  readonly stack?: readonly string[];
  readonly cause?: DescribedError;
}

/** Describes anything thrown without repeating a secret that its message may quote. */
export function describeError(thrown: unknown, depth = 0): DescribedError {
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: scrub(String(thrown)) };
  const code = (thrown as { code?: unknown }).code; // read only; node, pg and undici put a short word here
  return {
    name: thrown.name,
    message: scrub(thrown.message),
    ...(thrown instanceof DomainError ? { reason: thrown.reason } : {}),
    ...(typeof code === "string" ? { code: code.slice(0, 60) } : {}),
    ...(thrown.stack === undefined ? {} : { stack: framesOf(thrown.stack) }),
    ...(thrown.cause === undefined || depth >= causeDepthMax ? {} : { cause: describeError(thrown.cause, depth + 1) }),
  };
}

function framesOf(stack: string): string[] {
  return stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 12)
    .map((line) => line.trim());
}

/** Replaces what looks like a secret and cuts to a bounded length. */
export function scrub(text: string): string {
  return secretShapes
    .reduce((rest, shape) => rest.replace(shape, "[hidden]"), text.slice(0, 2_000))
    .slice(0, messageLengthMax);
}
