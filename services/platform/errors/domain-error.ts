/**
 * A refusal the product foresees. `reason` is stable and upper case; each service's error table gives it a gRPC code, an
 * HTTP status and a REST word. `facts` feed the message and extra members of the body: never put a secret there.
 */
export class DomainError extends Error {
  readonly reason: string;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(reason: string, facts: Readonly<Record<string, unknown>> = {}, options?: { readonly cause?: unknown }) {
    super(reason, options);
    this.name = "DomainError";
    this.reason = reason;
    this.facts = facts;
  }
}
