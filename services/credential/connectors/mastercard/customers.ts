import { z } from "zod";
import type { ProviderCall } from "../connector.ts";
import { ProviderError } from "../provider-error.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import { idShape, type MastercardApi, MastercardRefusal } from "./mastercard-api.ts";

const takenCode = "110002";
const customerShape = z.looseObject({ id: idShape, username: z.string().max(300) });
const customersShape = z.looseObject({ customers: z.array(customerShape).max(1_000) });

/** Who is to be a customer there. */
export interface CustomerRequest {
  /** Our user as the provider may know him: a keyed hash in hex. */
  readonly userReference: string;
  readonly type: "testing" | "active";
}

/**
 * The customer of a user, made where there is none: names are unique for ever, so that one whose answer was lost is found again. The
 * two types have names of their own, since a customer never changes his. Resolves to the customer's id. Throws `ProviderError`.
 */
export async function findOrAddCustomer(
  api: MastercardApi,
  request: CustomerRequest,
  call: ProviderCall,
): Promise<string> {
  const username = request.type === "testing" ? `testing-${request.userReference}` : request.userReference;
  const next = withinOneTimeout(call);
  const known = await findCustomer(api, username, next());
  if (known !== undefined) return known;
  try {
    const path = `/aggregation/v2/customers/${request.type}`;
    return (await api.post(path, { username }, customerShape, next())).id;
  } catch (error) {
    if (!(error instanceof MastercardRefusal && error.code === takenCode)) throw error;
  }
  const made = await findCustomer(api, username, next());
  if (made === undefined) throw new ProviderError("unavailable", { detail: "a customer is taken and not found" });
  return made;
}

async function findCustomer(api: MastercardApi, username: string, call: ProviderCall): Promise<string | undefined> {
  const path = `/aggregation/v1/customers?username=${username}&start=1&limit=25`;
  const { customers } = await api.get(path, customersShape, call);
  return customers.find((each) => each.username === username)?.id;
}
