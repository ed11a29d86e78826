import { type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import {
  Audience,
  type MethodPolicy,
  method as methodPolicyOption,
  RateClass,
} from "../../../gen/es/paymesh/policy/v1/policy_pb.js";
import type { PrincipalKind } from "./principal.ts";

/** A method's policy as the interceptors use it. */
export interface ResolvedPolicy {
  /** In the order of the contract. */
  readonly audiences: readonly PrincipalKind[];
  readonly callers: ReadonlySet<string>;
  /** 0: no limit, for watch streams. */
  readonly timeoutMs: number;
  readonly rateClass: RateLimitClass;
}

/** Requests of one caller within a window. */
export interface RateLimitClass {
  readonly name: "unlimited" | "standard" | "sign_in" | "payment" | "admin" | "refused";
  readonly limit: number;
  readonly windowSeconds: number;
  /** How many permits a replica takes from the shared counter at once. */
  readonly chunk: number;
}

const rateClasses: Readonly<Record<RateClass, RateLimitClass | undefined>> = {
  [RateClass.UNSPECIFIED]: undefined,
  [RateClass.UNLIMITED]: { name: "unlimited", limit: 0, windowSeconds: 60, chunk: 1 },
  [RateClass.STANDARD]: { name: "standard", limit: 600, windowSeconds: 60, chunk: 20 },
  [RateClass.SIGN_IN]: { name: "sign_in", limit: 30, windowSeconds: 60, chunk: 1 },
  [RateClass.PAYMENT]: { name: "payment", limit: 600_000, windowSeconds: 60, chunk: 1_000 },
  [RateClass.ADMIN]: { name: "admin", limit: 300, windowSeconds: 60, chunk: 10 },
};

/** Calls whose credentials were refused, for each address: what slows the guessing of keys down. */
export const refusedCalls: RateLimitClass = { name: "refused", limit: 600, windowSeconds: 60, chunk: 1 };

const audienceKinds: Readonly<Record<Audience, PrincipalKind | undefined>> = {
  [Audience.UNSPECIFIED]: undefined,
  [Audience.PUBLIC]: "public",
  [Audience.MOBILE_USER]: "mobile_user",
  [Audience.WEB_USER]: "web_user",
  [Audience.MERCHANT]: "merchant",
  [Audience.BANK]: "bank",
  [Audience.SERVICE]: "service",
  [Audience.OPERATOR]: "operator",
};

/** Reads a method's policy from its contract. Throws when there is none, or one without audience, limit or rate class. */
export function policyOf(method: DescMethod): ResolvedPolicy {
  const name = `${method.parent.typeName}.${method.name}`;
  if (!hasOption(method, methodPolicyOption)) throw new Error(`${name} has no policy`);
  const policy: MethodPolicy = getOption(method, methodPolicyOption);
  const audiences = policy.audiences.map((audience) => audienceKinds[audience]);
  const rateClass = rateClasses[policy.rateClass];
  if (audiences.length === 0 || audiences.includes(undefined)) throw new Error(`${name} names no audience`);
  if (rateClass === undefined) throw new Error(`${name} names no rate class`);
  if (policy.timeoutMs <= 0 && method.methodKind === "unary") throw new Error(`${name} has no timeout`);
  if (audiences.includes("service") && policy.callers.length === 0) throw new Error(`${name} names no callers`);
  return {
    audiences: audiences.filter((audience) => audience !== undefined),
    callers: new Set(policy.callers),
    timeoutMs: policy.timeoutMs,
    rateClass,
  };
}
