import { z } from "zod";
import type { ProviderCall } from "../connector.ts";
import { ProviderError } from "../provider-error.ts";
import { type BasiqApi, idShape } from "./basiq-api.ts";

const listedMax = 500;
const moment = z
  .string()
  .max(40)
  .nullish()
  .transform((text) => {
    const ms = Date.parse(text ?? "");
    return Number.isNaN(ms) ? undefined : new Date(ms);
  });

/** A time as Basiq writes it; undefined for none, and for what is no time. */
export const momentShape = moment;

const connectionShape = z.looseObject({
  id: idShape,
  status: z.string().max(40).nullish(),
  createdDate: moment,
  lastUsed: moment,
  institution: z.looseObject({ id: idShape }),
});

/** A connection of a user to one institution. */
export type BasiqConnection = z.infer<typeof connectionShape>;

const consentShape = z.looseObject({ status: z.string().max(40), expiryDate: moment });

/** A permission of a user; it covers all his connections. */
export type BasiqConsent = z.infer<typeof consentShape>;

/** The user's connections. */
export async function fetchConnections(
  api: BasiqApi,
  userId: string,
  call: ProviderCall,
): Promise<readonly BasiqConnection[]> {
  const shape = z.looseObject({ data: z.array(connectionShape).max(listedMax) });
  return (await api.ask({ method: "GET", path: `/users/${userId}/connections` }, shape, call)).data;
}

/** The user's consents, past ones included; none for a user there is none of. */
export async function fetchConsents(
  api: BasiqApi,
  userId: string,
  call: ProviderCall,
): Promise<readonly BasiqConsent[]> {
  const shape = z.looseObject({ data: z.array(consentShape).max(listedMax) });
  try {
    return (await api.ask({ method: "GET", path: `/users/${userId}/consents` }, shape, call)).data;
  } catch (error) {
    if (error instanceof ProviderError && error.failure === "not_found") return [];
    throw error;
  }
}

/** The consent in force. */
export function activeConsent(consents: readonly BasiqConsent[], now: Date): BasiqConsent | undefined {
  return consents.find(
    ({ status, expiryDate }) => status === "active" && (expiryDate === undefined || expiryDate > now),
  );
}

/**
 * The connections that count. Who consents anew at the same bank has a new connection there, and what the old one had fetched would
 * show everything twice.
 */
export function liveConnections(connections: readonly BasiqConnection[]): readonly BasiqConnection[] {
  const isReplaced = (old: BasiqConnection) =>
    old.status === "invalid" &&
    connections.some((each) => each.status !== "invalid" && each.institution.id === old.institution.id);
  return connections.filter((each) => !isReplaced(each));
}
