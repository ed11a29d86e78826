import type { Currency } from "../../../platform/money/currency.ts";

/** A bank people may link. */
export interface Institution {
  readonly id: string;
  readonly name: string;
  readonly countryCodes: readonly string[];
  readonly currency: Currency;
  readonly url: string;
  readonly color: string;
  readonly routingNumbers: readonly string[];
  /** Its consents end by themselves and are given again in update mode. */
  readonly oauth: boolean;
  readonly city: string;
  readonly region: string;
}

/** Products every institution here offers. */
export const institutionProducts: readonly string[] = Object.freeze(["auth", "balance", "transactions"]);

/** The banks of this sandbox. The first two have the ids and names of Plaid's own sandbox, so programs written for it run. */
export const institutions: readonly [Institution, ...Institution[]] = Object.freeze([
  {
    id: "ins_109508",
    name: "First Platypus Bank",
    countryCodes: ["US"],
    currency: "USD" as Currency, // an ISO 4217 code
    url: "https://platypus.example",
    color: "#1f5c2e",
    routingNumbers: ["011401533"],
    oauth: false,
    city: "Portland",
    region: "OR",
  },
  {
    id: "ins_109509",
    name: "First Gingham Credit Union",
    countryCodes: ["US"],
    currency: "USD" as Currency, // an ISO 4217 code
    url: "https://gingham.example",
    color: "#7a2e6b",
    routingNumbers: ["021000021"],
    oauth: false,
    city: "Albany",
    region: "NY",
  },
  {
    id: "ins_900001",
    name: "Aurora Pacific Bank",
    countryCodes: ["CA"],
    currency: "CAD" as Currency, // an ISO 4217 code
    url: "https://aurora-pacific.example",
    color: "#0f5f8a",
    routingNumbers: [],
    oauth: true,
    city: "Vancouver",
    region: "BC",
  },
]);

/** The institution of an id. */
export function findInstitution(id: string): Institution | undefined {
  return institutions.find((each) => each.id === id);
}
