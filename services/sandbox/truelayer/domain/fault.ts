import { z } from "zod";
import { trueLayerErrorWords } from "./truelayer-error.ts";

const base = {
  /** The route it strikes, such as `/connect/token` or `/data/v1/accounts/:accountId/transactions`; `*` for all of them. */
  path: z.string().min(1).max(100).default("*"),
  /** How many calls it strikes. */
  times: z.number().int().min(1).max(10_000).default(1),
};
const afterEffect = z.boolean().default(false);

/** A fault asked for by the control API. */
export const faultShape = z.discriminatedUnion("kind", [
  /** The call works, later. */
  z.object({ ...base, kind: z.literal("latency"), ms: z.number().int().min(1).max(120_000) }),
  /** 429 `provider_too_many_requests` with `Retry-After`. */
  z.object({
    ...base,
    kind: z.literal("rate_limit"),
    retryAfterSeconds: z.number().int().min(0).max(86_400).default(1),
  }),
  /** A failure of TrueLayer's own, or of the bank behind it. */
  z.object({ ...base, kind: z.literal("server_error"), status: z.number().int().min(500).max(599).default(500) }),
  /** A gateway's page of HTML instead of JSON. */
  z.object({ ...base, kind: z.literal("html"), status: z.number().int().min(200).max(599).default(502), afterEffect }),
  /** 200 without a body. */
  z.object({ ...base, kind: z.literal("empty"), afterEffect }),
  /** The first half of the true answer, then the connection breaks. */
  z.object({ ...base, kind: z.literal("half") }),
  /** The call has its effect and its answer never arrives. */
  z.object({ ...base, kind: z.literal("lost_answer") }),
  /** A documented error, before any effect. */
  z.object({ ...base, kind: z.literal("truelayer_error"), error: z.enum(trueLayerErrorWords) }),
]);

/** A fault waiting to strike. */
export type Fault = z.infer<typeof faultShape>;

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
