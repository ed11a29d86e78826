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
 * The customer of a user, made where there is none: one whose answer was lost is found again by his name. Names are unique for ever, so a
 * user who was a customer before and is none any more gets a name with the time behind it. The two types have names of their own, since
 * a customer never changes his. Resolves to the customer's id. Throws `ProviderError`.
 */
export async function findOrAddCustomer(
  api: MastercardApi,
  request: CustomerRequest,
  call: ProviderCall,
): Promise<string> {
  const name = request.type === "testing" ? `testing-${request.userReference}` : request.userReference;
  const next = withinOneTimeout(call);
  for (const username of [name, `${name}-${Math.floor(call.now.getTime() / 1_000)}`]) {
    const known = await findCustomer(api, name, next());
    if (known !== undefined) return known;
    const made = await addCustomer(api, { username, type: request.type }, next());
    if (made !== undefined) return made;
  }
  // Whoever was first with the same name in the same second.
  const other = await findCustomer(api, name, next());
  if (other === undefined) throw new ProviderError("unavailable", { detail: "a customer is taken and not found" });
  return other;
}

/** Ends a customer with all his logins. Returns too when there is none. */
export async function endCustomer(api: MastercardApi, customerId: string, call: ProviderCall): Promise<void> {
  await deleteIfThere(api, `/aggregation/v1/customers/${idShape.parse(customerId)}`, call);
}

/** Deletes; what is gone already is what was wanted. */
export async function deleteIfThere(api: MastercardApi, path: string, call: ProviderCall): Promise<void> {
  try {
    await api.delete(path, call);
  } catch (error) {
    if (!(error instanceof MastercardRefusal && error.failure === "not_found")) throw error;
  }
}

/** Undefined when the name was ever used. */
async function addCustomer(
  api: MastercardApi,
  customer: { readonly username: string; readonly type: "testing" | "active" },
  call: ProviderCall,
): Promise<string | undefined> {
  try {
    const path = `/aggregation/v2/customers/${customer.type}`;
    return (await api.post(path, { username: customer.username }, customerShape, call)).id;
  } catch (error) {
    if (error instanceof MastercardRefusal && error.code === takenCode) return undefined;
    throw error;
  }
}

async function findCustomer(api: MastercardApi, name: string, call: ProviderCall): Promise<string | undefined> {
  const path = `/aggregation/v1/customers?search=${name}&start=1&limit=25`;
  const { customers } = await api.get(path, customersShape, call);
  return customers.find((each) => each.username === name || each.username.startsWith(`${name}-`))?.id;
}
