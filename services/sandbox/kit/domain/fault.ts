import { z } from "zod";

const base = {
  /** The route it strikes, as registered, such as `/data/v1/accounts/:accountId`; `*` for all of them. */
  path: z.string().min(1).max(200).default("*"),
  /** How many calls it strikes. */
  times: z.number().int().min(1).max(10_000).default(1),
};
const afterEffect = z.boolean().default(false);

/** A fault asked for by the control API. */
export const faultShape = z.discriminatedUnion("kind", [
  /** The call works, later. */
  z.object({ ...base, kind: z.literal("latency"), ms: z.number().int().min(1).max(120_000) }),
  /** The provider's 429, with `Retry-After`. */
  z.object({
    ...base,
    kind: z.literal("rate_limit"),
    retryAfterSeconds: z.number().int().min(0).max(86_400).default(1),
  }),
  /** A failure of the provider's own, or of the bank behind it. */
  z.object({ ...base, kind: z.literal("server_error"), status: z.number().int().min(500).max(599).default(500) }),
  /** A gateway's page of HTML instead of JSON. */
  z.object({ ...base, kind: z.literal("html"), status: z.number().int().min(200).max(599).default(502), afterEffect }),
  /** 200 without a body. */
  z.object({ ...base, kind: z.literal("empty"), afterEffect }),
  /** 200 with this text in place of the JSON that was due. */
  z.object({ ...base, kind: z.literal("answer"), text: z.string().max(20_000) }),
  /** The first half of the true answer, then the connection breaks. */
  z.object({ ...base, kind: z.literal("half") }),
  /** The call has its effect and its answer never arrives. */
  z.object({ ...base, kind: z.literal("lost_answer") }),
  /** One of the provider's documented errors, before any effect. */
  z.object({
    ...base,
    kind: z.literal("provider_error"),
    code: z.string().min(1).max(80),
    /** The class of the error, where the provider has classes. */
    type: z.string().min(1).max(60).optional(),
    status: z.number().int().min(400).max(599).optional(),
  }),
]);

/** A fault waiting to strike. */
export type Fault = z.infer<typeof faultShape>;

/** A fault that is told in the provider's own words. */
export type RefusingFault = Extract<Fault, { kind: "rate_limit" | "server_error" | "provider_error" }>;

/** An answer that refuses, in the provider's own words. */
export interface Refusal {
  readonly status: number;
  /** The provider's code, for the list of calls. */
  readonly code: string;
  readonly body: object;
}

/** How a provider words a fault; undefined for a code it does not document. */
export type RefusalOf = (fault: RefusingFault, requestId: string) => Refusal | undefined;

/** Whether the call has its effect before the fault shows. */
export function strikesAfterEffect(fault: Fault): boolean {
  switch (fault.kind) {
    case "half":
    case "lost_answer":
      return true;
    case "html":
    case "empty":
      return fault.afterEffect;
    default:
      return false;
  }
}
